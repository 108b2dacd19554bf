import asyncio
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from typer.testing import CliRunner

from benchmarks.bare_vllm import ENVIRONMENT, SERVER_MODULE, read_options, server_arguments
from benchmarks.cli import app
from benchmarks.simulated_server import Behaviour, bind_loopback, build_server

SMALL = ["--concurrency", "1,2", "--requests", "4", "--warmup", "1", "--max-tokens", "4"]


@contextmanager
def serving(behaviour: Behaviour) -> Iterator[str]:
    """In a thread of its own: the command runs its own event loop."""
    listening = bind_loopback()
    server = build_server(behaviour)
    thread = threading.Thread(target=lambda: asyncio.run(server.serve(sockets=[listening])))
    thread.start()
    try:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()
        listening.close()


def test_two_arms_to_a_json_file(tmp_path: Path) -> None:
    path = tmp_path / "r.json"
    with serving(Behaviour()) as plain, serving(Behaviour(judged=True, block_every=3)) as judged:
        result = CliRunner().invoke(
            app,
            [
                "--arm",
                f"plain={plain}",
                "--arm",
                f"judged={judged}",
                *SMALL,
                "--rounds",
                "2",
                "--json",
                str(path),
            ],
        )
    assert result.exit_code == 0, result.output
    found = json.loads(path.read_text("utf-8"))
    assert [level["arm"] for level in found["levels"]] == ["plain", "judged"] * 2
    assert found["arms"][0]["model"] == "simulated"
    assert found["levels"][1]["outcomes"]["blocked"] > 0
    assert "judge_calls" in found["levels"][1]["distributions"]
    assert "Against plain" in result.output


def test_failed_requests_fail_the_run_unless_allowed() -> None:
    with serving(Behaviour(drop_every=2)) as url:
        strict = CliRunner().invoke(app, ["--arm", url, *SMALL, "--warmup", "0"])
        lenient = CliRunner().invoke(app, ["--arm", url, *SMALL, "--warmup", "0", "--allow-errors"])
    assert strict.exit_code == 1
    assert "requests failed" in strict.output
    assert lenient.exit_code == 0


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ([], "at least one --arm"),
        (["--arm", "a=http://192.0.2.1:9"], "--allow-remote"),
        (["--arm", "http://127.0.0.1:9", "--concurrency", "x"], "--concurrency"),
        (["--arm", "http://127.0.0.1:9", "--requests", "0"], "requests per level"),
        (["--arm", "http://127.0.0.1:9", "--prompts", "klingon"], "klingon"),
        (["--arm", "http://127.0.0.1:9", "--length", "wide"], "wide"),
        (["--arm", "http://127.0.0.1:9", "--baseline", "z"], "none of the arms"),
        (["--arm", "http://127.0.0.1:9"], "does not answer"),
    ],
)
def test_what_cannot_be_run_is_said_in_a_sentence(options: list[str], sentence: str) -> None:
    result = CliRunner().invoke(app, options)
    assert result.exit_code == 2
    assert sentence in result.output
    assert "Traceback" not in result.output


DRY = ["--arm", "bare=http://127.0.0.1:9", "--arm", "mizan=http://127.0.0.1:9", "--dry-run"]


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--requests", "8", "--concurrency", "4"], "requests over 4 rounds"),
        (["--baseline", "z"], "none of the arms"),
        (["--arm", "far=http://192.0.2.1:9"], "--allow-remote"),
        (["--prompts", "klingon"], "klingon"),
    ],
)
def test_a_dry_run_finds_what_is_wrong_before_there_is_a_server(options: list[str], sentence: str) -> None:
    result = CliRunner().invoke(app, [*DRY, *options])
    assert result.exit_code == 2
    assert sentence in result.output


def test_a_dry_run_sends_nothing() -> None:
    result = CliRunner().invoke(app, DRY)  # nothing listens there
    assert (result.exit_code, result.output) == (0, "")


@pytest.mark.parametrize("command", ["metrics", "prompt-sets"])
def test_commands_that_explain(command: str) -> None:
    result = CliRunner().invoke(app, [command])
    assert result.exit_code == 0
    assert result.output


def test_the_bare_server_keeps_to_loopback(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    options, further = read_options([str(tmp_path), "--name", "m", "--port", "1", "--", "--seed", "3"])
    line = server_arguments(options, further)
    assert line[:2] == ["-m", SERVER_MODULE]
    assert line[line.index("--host") + 1] == "127.0.0.1"
    assert line[-2:] == ["--seed", "3"]
    assert ENVIRONMENT["HF_HUB_OFFLINE"] == "1"
    with pytest.raises(SystemExit):
        read_options([str(tmp_path / "missing")])
