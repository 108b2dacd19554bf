"""`mizan policy`: wrong policies are named, and what the judge can't honour is said."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from cluster.main import app

POLICY = """\
id: site
version: "1"
hazards:
  hate: {threshold: 0.4}
  privacy: {threshold: {prompt: 0.7}, action: flag}
"""


@pytest.fixture
def policy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MIZAN_POLICIES", str(tmp_path))
    path = tmp_path / "site.yaml"
    path.write_text(POLICY, encoding="utf-8")
    return path


def run(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(app, ["policy", *arguments], env={"COLUMNS": "200"})
    return result.exit_code, result.output.replace("\n", " ")


def test_the_judge_of_the_settings_is_what_a_policy_is_held_against(policy: Path) -> None:
    code, said = run("lint")
    assert code == 0
    assert "site@1" in said
    assert "can't tell hazards apart" in " ".join(said.split())
    assert "warning" not in run("lint", "--judge", "llama-guard-3-8b")[1]


def test_an_unknown_hazard_is_named(policy: Path) -> None:
    policy.write_text(POLICY.replace("hate", "hatred"), encoding="utf-8")
    code, said = run("lint", str(policy))
    assert code == 1
    assert "there is no hazard 'hatred'" in " ".join(said.split())


@pytest.mark.parametrize(
    ("judge", "says"), [("oracle", "no model"), ("smollm2-135m-instruct", "is no judge")]
)
def test_what_is_no_judge_is_refused(policy: Path, judge: str, says: str) -> None:
    code, said = run("lint", "--judge", judge)
    assert code == 2
    assert says in said


def test_hazards_are_shown(policy: Path) -> None:
    code, said = run("show")
    assert code == 0
    assert "prompt 0.70" in said
    assert "reported only" in " ".join(said.split())
