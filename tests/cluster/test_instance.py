"""What a stack remembers between commands."""

import json
from pathlib import Path

import pytest

from cluster.instance import Instance, Phase, Report
from serving.settings import GatewaySettings, Settings


def instance(folder: Path, **changes: object) -> Instance:
    return Instance(Settings.model_validate({"state": folder, **changes}))


def test_a_report_survives(tmp_path: Path) -> None:
    one = instance(tmp_path)
    one.make_folders()
    assert one.folder.stat().st_mode & 0o077 == 0
    assert one.report() is None
    report = Report(1234, 5678.25, Phase.FAILED, "pas de modèle")
    one.say(report)
    assert one.report() == report
    assert [path.name for path in one.folder.iterdir()] == ["supervisor.json"]
    one.forget()
    one.forget()
    assert one.report() is None


@pytest.mark.parametrize(
    "content",
    [
        b"", b"{", b"[]", b"null", b"5", b'"text"', b"{}", b"\xff",
        json.dumps({"pid": 1, "started": 1, "phase": "dancing"}).encode(),
        json.dumps({"pid": 1, "started": 1, "phase": "ready", "more": 1}).encode(),
    ],
)  # fmt: skip
def test_a_report_that_is_no_use_counts_as_none(tmp_path: Path, content: bytes) -> None:
    one = instance(tmp_path)
    one.make_folders()
    (one.folder / "supervisor.json").write_bytes(content)
    assert one.report() is None


def test_stacks_are_told_apart(tmp_path: Path) -> None:
    one, two = instance(tmp_path), instance(tmp_path, instance="two")
    assert one.mark != two.mark
    assert one.mark == instance(tmp_path).mark
    assert one.folder != two.folder
    assert one.ray_folder != two.ray_folder


def test_rays_folder_leaves_room_for_a_sockets_path(tmp_path: Path) -> None:
    """Ray adds `/session_<date>_<time>_<microseconds>_<pid>/sockets/plasma_store`: 66 characters."""
    assert len(str(instance(tmp_path / ("x" * 100)).ray_folder)) + 66 <= 107


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("127.0.0.1", "http://127.0.0.1:8000"),
        ("0.0.0.0", "http://127.0.0.1:8000"),  # noqa: S104  compared, not bound
        ("::", "http://[::1]:8000"),
        ("::1", "http://[::1]:8000"),
        ("gateway.local", "http://gateway.local:8000"),
    ],
)
def test_the_address(tmp_path: Path, host: str, url: str) -> None:
    assert instance(tmp_path, gateway=GatewaySettings(host=host)).url == url
