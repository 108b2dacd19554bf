"""The command line: what it says, and with which status it ends."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml
from typer.main import get_command
from typer.testing import CliRunner

import auth.embedded
from auth.client import AccessToken, TokenRefused
from cluster.main import app, main
from serving.settings import Settings, SettingsError, load
from serving.simulator import Script

from ..serving.gateways import MODEL, DevelopmentIssuer, build, listening  # noqa: TID252  tests are not installed

VALID_ROW = '{"id": "1", "lang": "en", "kind": "comment", "text": "hello", "label": "safe"}'
RUNNER = CliRunner()


@pytest.fixture(autouse=True)
def _own_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in list(os.environ):
        if name.upper().startswith("MIZAN_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("MIZAN_STATE", str(tmp_path / "state"))
    monkeypatch.setenv("MIZAN_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("COLUMNS", "200")


def commands(command: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    yield path
    for name, inner in getattr(command, "commands", {}).items():
        yield from commands(inner, (*path, name))


@pytest.mark.parametrize("path", list(commands(get_command(app))), ids=" ".join)
def test_every_command_explains_itself(path: tuple[str, ...]) -> None:
    result = RUNNER.invoke(app, [*path, "--help"])
    assert result.exit_code == 0, result.output
    assert "Usage:" in result.output
    explanation = result.output.split("Usage:", 1)[1].splitlines()[1:]
    assert any(line.strip(" │╭╮─") for line in explanation[:6])


def test_the_commands_there_must_be() -> None:
    names = {" ".join(path) for path in commands(get_command(app))}
    assert names >= {
        "up", "down", "status", "serve", "chat", "token", "bench", "config show", "config schema",
        "models list", "models prepare", "models verify",
    }  # fmt: skip


def test_help_is_cheap() -> None:
    """Nothing heavy is imported, and a broken settings file is not looked at."""
    look = (
        "import sys\n"
        "from cluster.main import main\n"
        "try: main()\n"
        "except SystemExit as end: assert not end.code\n"
        "heavy = {'torch', 'vllm', 'ray', 'transformers', 'fastapi', 'keycloak'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    environment = {**os.environ, "MIZAN_GATWAY__PORT": "nonsense"}
    result = subprocess.run(  # noqa: S603  our own program
        [sys.executable, "-c", look, "--help"], env=environment, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr
    assert "mizan up" in result.stdout


@pytest.mark.parametrize(
    ("variable", "value", "sentence"),
    [
        ("MIZAN_GATEWAY__PORT", "eighty", "gateway.port: Input should be a valid integer"),
        ("MIZAN_GATWAY__PORT", "80", "there is no setting 'gatway'"),
        ("MIZAN_GATEWAY__[/X]", "80", "gateway.[/x]: there is no such setting"),
        ("MIZAN_MODE", "production", "identity: issuer must be set"),
    ],
)
def test_wrong_settings(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    variable: str,
    value: str,
    sentence: str,
) -> None:
    monkeypatch.setenv(variable, value)
    monkeypatch.setattr(sys, "argv", ["mizan", "status"])
    with pytest.raises(SystemExit) as end:
        main()
    assert end.value.code == 2
    output = capsys.readouterr()
    assert output.out == ""
    assert sentence in output.err.replace("\n", " ")
    assert "Traceback" not in output.err


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("", "no row with a label"),
        ('{"id": "1"}', ":1: lang: Field required"),
        ("{", ":1: not JSON"),
        (VALID_ROW, "no model 'nope' in the catalog"),
    ],
)
def test_wrong_input_ends_in_a_sentence(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    content: str,
    sentence: str,
) -> None:
    rows = tmp_path / "rows.jsonl"
    rows.write_text(content)
    monkeypatch.setattr(sys, "argv", ["mizan", "judge", "eval", str(rows), "--judge", "nope"])
    with pytest.raises(SystemExit) as end:
        main()
    assert end.value.code == 1
    output = capsys.readouterr()
    assert output.out == ""
    assert sentence in output.err
    assert "Traceback" not in output.err


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["explain", ""], "must not be empty"),
        (["explain", "caf\udce9"], "not in UTF-8"),
        (["explain", "hello", "--judge", "FOLDER"], "holds no model"),
        (["eval", "FOLDER/rows.jsonl", "--json", "FOLDER/none/x.json"], "there is no folder"),
        (["eval", "FOLDER/rows.jsonl", "--rows", "FOLDER/none/x.jsonl"], "there is no folder"),
    ],
)
def test_what_the_judge_cannot_do_is_said_before_it_is_loaded(
    tmp_path: Path, arguments: list[str], sentence: str
) -> None:
    (tmp_path / "rows.jsonl").write_text(VALID_ROW)
    given = [argument.replace("FOLDER", str(tmp_path)) for argument in arguments]
    result = RUNNER.invoke(app, ["judge", *given])
    assert result.exit_code == 2
    assert sentence in " ".join(result.output.replace("│", " ").split())


def test_a_settings_file_that_is_not_there(tmp_path: Path) -> None:
    result = RUNNER.invoke(app, ["--config", str(tmp_path / "none.yaml"), "status"])
    assert result.exit_code == 2
    assert "is not a file" in result.output


def test_nothing_runs(tmp_path: Path) -> None:
    result = RUNNER.invoke(app, ["status"])
    assert result.exit_code == 3
    assert "not running" in result.output
    result = RUNNER.invoke(app, ["status", "--json"])
    assert result.exit_code == 3
    facts = json.loads(result.output)
    assert facts["phase"] == "not running"
    assert facts["processes"] == facts["memory_mb"] == 0
    assert facts["log"] == str(tmp_path / "state" / "default" / "stack.log")
    result = RUNNER.invoke(app, ["down"])
    assert result.exit_code == 0
    assert "Nothing was running" in result.output


def test_config_show_masks_secrets(tmp_path: Path) -> None:
    file = tmp_path / "mizan.yaml"
    file.write_text("models: {hub_token: hf_very_secret}\ngateway: {port: 9000}\n", encoding="utf-8")
    for arguments, read in ((["--json"], json.loads), ([], yaml.safe_load)):
        result = RUNNER.invoke(app, ["--config", str(file), "config", "show", *arguments])
        assert result.exit_code == 0, result.output
        assert "hf_very_secret" not in result.output
        shown = read(result.output)
        assert shown["gateway"]["port"] == 9000
        assert shown["models"]["hub_token"] == "********"
        assert set(shown) == set(Settings.model_fields)


@pytest.mark.parametrize(
    "written",
    [
        "",
        "instance: two\nstate: {folder}/state\ncache: {folder}/cache\npolicies: {folder}",
        "identity: {{embedded: {{state_dir: {folder}/keys}}, tenants_file: {folder}/tenants.yaml}}",
    ],
)
def test_what_config_show_prints_is_a_settings_file(tmp_path: Path, written: str) -> None:
    file = tmp_path / "mizan.yaml"
    file.write_text(written.format(folder=tmp_path), encoding="utf-8")
    before = load(file)
    shown = RUNNER.invoke(app, ["--config", str(file), "config", "show"]).output
    file.write_text(shown, encoding="utf-8")
    assert load(file) == before
    again = RUNNER.invoke(app, ["--config", str(file), "config", "show"]).output
    assert yaml.safe_load(again) == yaml.safe_load(shown)  # a default of 30 is printed as 30.0 then


def test_a_masked_secret_is_not_read_back_as_one(tmp_path: Path) -> None:
    file = tmp_path / "mizan.yaml"
    file.write_text("models: {hub_token: hf_very_secret}", encoding="utf-8")
    file.write_text(RUNNER.invoke(app, ["--config", str(file), "config", "show"]).output, encoding="utf-8")
    with pytest.raises(SettingsError, match=r"models\.hub_token: .* masked"):
        load(file)


def test_config_schema_describes_every_field() -> None:
    schema = json.loads(RUNNER.invoke(app, ["config", "schema"]).output)
    objects = {"settings": schema, **schema["$defs"]}
    for name, definition in objects.items():
        for field, described in definition.get("properties", {}).items():
            assert described.get("description"), f"{name}.{field}"
    assert set(schema["properties"]) == set(Settings.model_fields)


class TestChat:
    """`mizan chat` with a gateway in a thread."""

    @pytest.fixture
    def gateway(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
        issuer = DevelopmentIssuer(tmp_path)
        monkeypatch.setenv("MIZAN_NATIVE__MODEL", MODEL)
        monkeypatch.setattr(
            auth.embedded,
            "embedded_token",
            lambda settings, application=None: AccessToken(
                issuer.token(application or "khouribga-assistant"), 0, None
            ),
        )
        with ExitStack() as running:

            def start(**changes: Any) -> None:
                url = running.enter_context(listening(build(issuer, **changes).app))
                monkeypatch.setenv("MIZAN_GATEWAY__PORT", url.rpartition(":")[2])

            yield start

    def test_an_answer_and_its_verdict(self, gateway: Any) -> None:
        gateway()
        result = RUNNER.invoke(app, ["chat", "Bonjour"])
        assert result.exit_code == 0, result.output
        assert "The quick brown fox jumps over the lazy dog." in result.output
        assert "passed by simulated-judge, score 0.02" in result.output
        assert "9/9 tokens released" in result.output

    def test_a_refusal_in_the_readers_language(self, gateway: Any) -> None:
        gateway()
        result = RUNNER.invoke(app, ["chat", "zarzour", "--language", "ary"])
        assert result.exit_code == 0
        assert "هاد الجواب تحبس" in result.output
        assert "flagged" in result.output

    def test_a_conversation(self, gateway: Any) -> None:
        gateway(script=Script(answers={"": "first", "again": "second"}))
        result = RUNNER.invoke(app, ["chat"], input="hello\n\nagain\n")
        assert result.exit_code == 0, result.output
        assert "first" in result.output
        assert "second" in result.output

    def test_a_conversation_goes_on_after_a_refusal(self, gateway: Any) -> None:
        gateway()
        result = RUNNER.invoke(app, ["chat"], input="hello\nzarzour\nagain\n")
        assert result.exit_code == 0, result.output
        verdicts = re.findall(r"(passed|flagged) by", result.output)
        assert verdicts == ["passed", "flagged", "passed"]

    def test_an_error_of_the_gateway(self, gateway: Any) -> None:
        gateway(script=Script(fail_after=0))
        result = RUNNER.invoke(app, ["chat", "Bonjour"])
        assert result.exit_code == 1
        assert "The model failed to answer" in result.output

    def test_an_application_that_may_not(self, gateway: Any) -> None:
        gateway()
        result = RUNNER.invoke(app, ["chat", "Bonjour", "--application", "closed-assistant"])
        assert result.exit_code == 1
        assert "suspended" in result.output

    def test_nothing_runs(self, gateway: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("MIZAN_GATEWAY__PORT", "1")
        result = RUNNER.invoke(app, ["chat", "Bonjour"])
        assert result.exit_code == 1
        assert "Connection error" in result.output

    def test_no_token(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def refuse(*_: Any) -> AccessToken:
            raise TokenRefused("the development issuer has not run yet ([/nowhere] is empty)")

        monkeypatch.setattr(auth.embedded, "embedded_token", refuse)
        result = RUNNER.invoke(app, ["chat", "Bonjour"])
        assert result.exit_code == 1
        assert isinstance(result.exception, SystemExit)
        assert "No token: the development issuer has not run yet ([/nowhere] is empty)" in result.output


def test_a_command_that_does_not_exist() -> None:
    assert RUNNER.invoke(app, ["fly"]).exit_code == 2
    assert isinstance(app, typer.Typer)
