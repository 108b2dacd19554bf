"""`mizan policy`: wrong policies are named, and what the judge can't honour is said."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cluster.main import app, main

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


@pytest.fixture
def ended(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """What the real command line says where it ends with status 1 and no output."""

    def run_main(*arguments: str) -> str:
        monkeypatch.setattr(sys, "argv", ["mizan", "policy", *arguments])
        with pytest.raises(SystemExit) as end:
            main()
        said = capsys.readouterr()
        assert (end.value.code, said.out) == (1, "")
        return said.err

    return run_main


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


MARKED = """\
id: site
version: "[/red]"
criteria:
  - id: harm
    description: "[/red] [bold]harm[/bold] :skull:"
"""


def test_what_a_policy_holds_is_no_markup(policy: Path) -> None:
    policy.write_text(MARKED, encoding="utf-8")
    code, said = run("lint")
    assert code == 0
    assert "site@[/red]" in said
    code, said = run("show")
    assert code == 0
    assert "site@[/red]" in said
    assert "[/red] [bold]harm[/bold] :skull:" in said


def test_files_with_one_id_are_named_both(policy: Path, tmp_path: Path) -> None:
    again = tmp_path / "again.yaml"
    again.write_text(POLICY, encoding="utf-8")
    code, said = run("lint", str(policy), str(again))
    assert code == 1
    assert f"policy {again}: id 'site' is defined twice, in {policy} too" in said
    assert run("lint", str(policy), str(policy))[0] == 0


def test_every_wrong_file_has_a_line(policy: Path, tmp_path: Path) -> None:
    wrong = [tmp_path / "[deep].yaml", tmp_path / "none.yaml", tmp_path]
    wrong[0].write_text("id: " + "[" * 3000, encoding="utf-8")
    result = CliRunner().invoke(app, ["policy", "lint", *map(str, wrong), str(policy)])
    assert result.exit_code == 1
    lines = [line for line in result.stderr.splitlines() if line.startswith("wrong")]
    assert len(lines) == len(wrong)
    assert all(str(path) in line for path, line in zip(wrong, lines, strict=True))
    assert "sound" in result.stdout


@pytest.mark.parametrize(
    ("arguments", "content", "says"),
    [
        (["lint"], None, "no policies (*.yaml) in"),
        (["show"], None, "no policies (*.yaml) in"),
        (["show"], "id: [", "not valid YAML"),
        (["show", "[/x]"], POLICY, "there is no policy '[/x]'; there are site"),
    ],
)
def test_what_is_wrong_ends_in_a_sentence(
    policy: Path, ended: Callable[..., str], arguments: list[str], content: str | None, says: str
) -> None:
    policy.unlink()
    if content is not None:
        policy.write_text(content, encoding="utf-8")
    said = ended(*arguments)
    assert said.startswith("error: ")
    assert says in said
