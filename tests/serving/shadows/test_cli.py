"""`mizan judge shadow`."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cluster.main import app
from serving.settings import load
from serving.shadows.disagreements import Disagreements

from .test_disagreements import SECRET, comparison


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MIZAN_STATE", str(tmp_path))
    return load().state


def run(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(app, ["judge", "shadow", *arguments], env={"COLUMNS": "80"})
    return result.exit_code, result.output


def test_nothing_recorded() -> None:
    assert run("list") == (0, "No disagreements are recorded.\n")
    assert json.loads(run("list", "--json")[1]) == []
    assert run("show", "1")[0] == 1


def test_a_disagreement_is_listed_and_shown(state: Path) -> None:
    Disagreements(state).add(comparison(), "r1", 3)
    code, listed = run("list")
    assert code == 0
    assert "candidate" in listed
    assert json.loads(run("list", "--json")[1])[0]["result"] == "would_block"
    code, shown = run("show", "1")
    assert code == 0
    assert "0.900" in shown
    assert SECRET in shown
    assert json.loads(run("show", "1", "--json")[1])["candidate"]["outcome"] == "flagged"


def test_what_is_recorded_is_no_markup(state: Path) -> None:
    Disagreements(state).add(comparison(request="[/r]", text="[/red] line :100:"), "[/r]", 3)
    assert run("list")[0] == 0
    code, shown = run("show", "1")
    assert code == 0
    assert "[/r]" in shown
    assert "[/red] line :100:" in shown


def test_what_is_not_kept_is_not_shown(state: Path) -> None:
    Disagreements(state).add(comparison(), "r1", 0)
    assert "not kept" in run("show", "1")[1]
