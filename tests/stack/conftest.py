"""One real stack for all tests of this folder, started on free ports and stopped at the end."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from auth.embedded import embedded_token
from cluster.context import Context
from cluster.free_ports import free_ports
from cluster.instance import Instance
from cluster.processes import marked
from cluster.stack import StackError, bring_down, bring_up
from models.catalog import load_catalog
from models.prepare import prepare_all
from models.progress import Silent
from tests.stack.running import Stack


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """The default stack: SmolLM2 judged by the default judge, windows, development issuer."""
    folder = tmp_path_factory.mktemp("stack")
    yield from run_stack(folder, {})


def run_stack(folder: Path, values: dict[str, object]) -> Iterator[Stack]:
    """Start a stack with its state in `folder`, and see to it that nothing of it is left.

    `values` are settings by section; they add to those of a section that is set here.
    """
    gateway, issuer = free_ports(2)
    config = folder / "mizan.yaml"
    base: dict[str, Any] = {
        "instance": "tests",
        "state": str(folder / "state"),
        "gateway": {"port": gateway},
        "identity": {"embedded": {"port": issuer}},
    }
    for name, value in values.items():
        base[name] = {**base.get(name, {}), **value} if isinstance(value, dict) else value
    config.write_text(yaml.safe_dump(base), encoding="utf-8")
    context = Context(config)
    settings, instance = context.settings, Instance(context.settings)
    catalog = load_catalog(settings.models)
    prepare_all(
        [catalog.get(settings.native.model), catalog.get(settings.judge.model)], settings.models, Silent()
    )
    _up(instance, config)
    try:
        with httpx.Client(base_url=instance.url, trust_env=False, timeout=300) as client:
            yield Stack(
                context,
                instance,
                client,
                lambda application=None: embedded_token(settings.identity, application).value,
            )
    finally:
        bring_down(instance)
        deadline = time.monotonic() + 60  # a killed process is gone when the machine comes to it
        while left := marked(instance):
            assert time.monotonic() < deadline, f"processes were left behind: {left}"
            time.sleep(0.2)


def _up(instance: Instance, config: Path, attempts: int = 3) -> None:
    """Start the stack. Ray gives its node 30 s, and has no setting for it; a busy machine may need more."""
    try:
        bring_up(instance, config, lambda _: None, patience=400)
    except StackError as error:
        if attempts == 1 or "timed out during startup" not in str(error):
            raise
        _up(instance, config, attempts - 1)
