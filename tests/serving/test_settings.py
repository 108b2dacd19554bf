"""Settings: where they come from, what is refused and in which words."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import BaseModel

from serving.settings import BUNDLED_POLICIES, Settings, SettingsError, load


@pytest.fixture(autouse=True)
def _bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.upper().startswith("MIZAN_"):
            monkeypatch.delenv(name)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "mizan.yaml"


def given(file: Path, text: str | dict[str, Any]) -> Settings:
    file.write_text(text if isinstance(text, str) else yaml.safe_dump(text), encoding="utf-8")
    return load(file)


def refusal(file: Path, text: str | dict[str, Any]) -> str:
    with pytest.raises(SettingsError) as refused:
        given(file, text)
    sentence = str(refused.value)
    assert "\n" not in sentence
    assert "errors.pydantic.dev" not in sentence
    return sentence


def test_without_anything() -> None:
    settings = load()
    assert settings.mode == "development"
    assert settings.gateway.port == 8000
    assert settings.native.model != settings.judge.model
    assert settings.policies == BUNDLED_POLICIES
    assert settings.identity.embedded.enabled
    assert settings.identity.embedded.state_dir == settings.state / "issuer"
    assert settings.models.cache_dir == settings.cache
    assert settings.state == Path.home() / ".local/state/mizan/default"
    assert not settings.models.production


def test_every_section_from_a_file(file: Path, tmp_path: Path) -> None:
    settings = given(
        file,
        {
            "instance": "two",
            "cache": str(tmp_path / "cache"),
            "state": str(tmp_path / "state"),
            "policies": str(tmp_path),
            "gateway": {"port": 9000, "max_choices": 2},
            "native": {"model": "mistral-small", "accelerator": "gpu", "gpus": 2},
            "judge": {"model": "llama-guard", "calls_in_flight": 3, "max_replicas": 2},
            "identity": {"audience": "api", "embedded": {"port": 9001}},
            "models": {"offline": True, "hub_token": "hf_secret"},
            "telemetry": {"traces": "otlp", "endpoint": "http://127.0.0.1:4318/v1/traces"},
            "ray": {"address": "10.0.0.1:6379"},
        },
    )
    assert settings.gateway.port == 9000
    assert settings.native.gpus == 2
    assert settings.judge.calls_in_flight == 3
    assert settings.identity.issuer_url == "http://127.0.0.1:9001"
    assert settings.identity.embedded.state_dir == tmp_path / "state" / "two" / "issuer"
    assert settings.models.cache_dir == tmp_path / "cache"
    assert settings.telemetry.traces == "otlp"
    assert settings.ray.address == "10.0.0.1:6379"
    assert "hf_secret" not in repr(settings)


def test_the_environment_outweighs_the_file(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MIZAN_GATEWAY__PORT", "9002")
    monkeypatch.setenv("MIZAN_MODE", "development")
    settings = given(file, {"gateway": {"port": 9000, "host": "127.0.0.2"}, "instance": "three"})
    assert (settings.gateway.port, settings.gateway.host) == (9002, "127.0.0.2")
    assert settings.instance == "three"


def test_the_environment_alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("MIZAN_STATE", str(tmp_path))
    monkeypatch.setenv("MIZAN_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("MIZAN_NATIVE__MODEL", "mistral-small")
    monkeypatch.setenv("MIZAN_NATIVE__ENGINE_ARGS", '{"max_model_len": 1024}')
    monkeypatch.setenv("MIZAN_JUDGE__RAY_RESOURCES", '{"judge": 1}')
    monkeypatch.setenv("MIZAN_STACK", "the mark of a running stack")
    settings = load()
    assert settings.state == tmp_path / "default"
    assert settings.models.cache_dir == tmp_path / "cache"
    assert settings.native.model == "mistral-small"
    assert settings.native.engine_args == {"max_model_len": 1024}
    assert settings.judge.ray_resources == {"judge": 1}
    assert settings.judge.model == "gemma-3-270m-judge"


def test_the_file_the_environment_names(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file.write_text("gateway: {port: 9005}", encoding="utf-8")
    monkeypatch.setenv("MIZAN_CONFIG", str(file))
    assert load().gateway.port == 9005


def test_an_empty_file(file: Path) -> None:
    assert given(file, "# nothing is set\n").gateway.port == 8000


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("gateway: {port: 70000}", "gateway.port: Input should be less than or equal to 65535"),
        ("gateway: {port: eighty}", "gateway.port: Input should be a valid integer"),
        ("gateway: {prot: 80}", "gateway.prot: there is no such setting"),
        ("gatway: {port: 80}", "gatway: there is no such setting"),
        ("gateway: 80", "gateway: "),
        ("gateway: [1]", "gateway: "),
        ("native: {accelerator: tpu}", "native.accelerator: Input should be 'cpu' or 'gpu'"),
        ("native: {min_replicas: 3}", "native: max_replicas must not be less than min_replicas"),
        ("native: smollm2", "native: "),
        ("judge: [a]", "judge: "),
        ("models: 5", "models: "),
        ("models: {hub_token: [a]}", "models.hub_token: "),
        ("identity: 5", "identity: "),
        ("identity: {embedded: 5}", "identity.embedded: "),
        ("identity: {issuer: 'http://keycloak.example'}", "identity.issuer: "),
        ("cache: 5", "cache must be a path"),
        ("state: [a]", "state must be a path"),
        ("instance: 'Not Good'", "instance: "),
        ("instance: '../x'", "instance: "),
        ("mode: test", "mode: Input should be 'development' or 'production'"),
        ("telemetry: {traces: otlp}", "telemetry: endpoint is needed where traces is otlp"),
        ("telemetry: {sample_ratio: 2}", "telemetry.sample_ratio: "),
        ("gateway: {default_output_tokens: 5000}", "gateway.default_output_tokens must not exceed"),
        ("ray: {object_store_bytes: 1}", "ray.object_store_bytes: "),
        ("- a", "must be a mapping"),
        ("just text", "must be a mapping"),
        ("mode: production\nmode: development", "the key 'mode' is given twice, in line 1 and in line 2"),
        ("1: 2", "1: there is no such setting"),
        ("_env_file: x", "_env_file: there is no such setting"),
    ],
)
def test_wrong_settings(file: Path, text: str, sentence: str) -> None:
    assert sentence in refusal(file, text)


@pytest.mark.parametrize("content", [b"a: [", b"a: \xff", b"\0", b"a: !!python/object:os.system x"])
def test_files_that_cannot_be_read(file: Path, content: bytes) -> None:
    file.write_bytes(content)
    with pytest.raises(SettingsError, match="is not valid YAML"):
        load(file)


def test_a_file_that_is_not_there(file: Path) -> None:
    with pytest.raises(SettingsError, match=r"mizan\.yaml: No such file"):
        load(file)


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("MIZAN_GATEWAY__PROT", "80", "gateway.prot: there is no such setting"),
        ("MIZAN_GATWAY__PORT", "80", "MIZAN_GATWAY__PORT: there is no setting 'gatway'"),
        ("MIZAN_GATEWAY_PORT", "80", "MIZAN_GATEWAY_PORT: there is no setting 'gateway_port'"),
        ("MIZAN_GATEWAY__PORT", "x", "gateway.port: "),
        ("MIZAN_GATEWAY", "{broken", "environment: "),
        ("MIZAN_GATEWAY", "5", "gateway: "),
        ("MIZAN_MODELS", "5", "models: "),
        ("MIZAN_NATIVE__ENGINE_ARGS", "{broken", "environment: "),
    ],
)
def test_wrong_variables(monkeypatch: pytest.MonkeyPatch, name: str, value: str, sentence: str) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError) as refused:
        load()
    assert sentence in str(refused.value)


PRODUCTION: dict[str, Any] = {
    "mode": "production",
    "identity": {"issuer": "https://keycloak.example/realms/m", "tenants_file": "tenants.yaml"},
}


def test_production(file: Path) -> None:
    settings = given(file, PRODUCTION)
    assert settings.identity.production
    assert not settings.identity.embedded.enabled
    assert settings.models.production


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"identity": {}}, "identity: issuer must be set"),
        ({"identity": {"issuer": "https://login.example"}}, "identity.tenants_file must be set"),
        ({"identity": {"embedded": {"enabled": True}}}, "embedded.enabled must be false"),
        (
            {"identity": {"embedded": {"enabled": True}, "production": False}},
            "identity.production must be true in production mode",
        ),
        ({"models": {"production": False}}, "models.production must be true in production mode"),
        ({"native": {"simulate": "script.yaml"}}, "native.simulate is refused in production mode"),
        ({"judge": {"simulate": "script.yaml"}}, "judge.simulate is refused in production mode"),
    ],
)
def test_what_production_refuses(file: Path, changes: dict[str, Any], sentence: str) -> None:
    assert sentence in refusal(file, PRODUCTION | changes)


def test_production_cannot_be_half_switched_off_by_a_variable(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MIZAN_IDENTITY__PRODUCTION", "false")
    assert "identity.production" in refusal(file, PRODUCTION)


def test_a_simulated_engine_in_development(file: Path) -> None:
    assert given(file, {"native": {"simulate": "script.yaml"}}).native.simulate == Path("script.yaml")


def sections(model: type[BaseModel], path: str = "") -> Iterator[tuple[str, type[BaseModel]]]:
    yield path or "settings", model
    for name, field in model.model_fields.items():
        annotation = field.annotation
        if isinstance(annotation, type) and issubclass(annotation, BaseModel):
            yield from sections(annotation, f"{path}.{name}".strip("."))


@pytest.mark.parametrize(("path", "section"), list(sections(Settings)), ids=lambda value: str(value)[:40])
def test_every_setting_is_described(path: str, section: type[BaseModel]) -> None:
    for name, field in section.model_fields.items():
        assert field.description, f"{path}.{name}"
    assert section.model_config["extra"] == "forbid"
    assert section.model_config["frozen"]


def test_the_bundled_values_are_each_others_match() -> None:
    """The settings can be written down and read back."""
    once = load()
    again = Settings.model_validate(once.model_dump(exclude={"state"}))
    assert again.model_dump() == once.model_dump()


def path_settings(model: type[BaseModel], above: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Where settings hold a path, by the names that lead there."""
    for name, field in model.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from path_settings(field.annotation, (*above, name))
        elif "Path" in repr(field.annotation):  # and `UserPath | None`
            yield (*above, name)


PATHS = sorted(path_settings(Settings))


def test_the_settings_that_are_paths() -> None:
    assert {("policies",), ("native", "simulate"), ("redis", "ca_file"), ("models", "catalog_dir")} < {*PATHS}


@pytest.mark.parametrize("names", PATHS, ids=".".join)
def test_the_home_folder_in_every_path(file: Path, names: tuple[str, ...]) -> None:
    settings: Any = given(file, nested(names, "~/folder"))
    for name in names:
        settings = getattr(settings, name)
    assert Path.home() / "folder" in {settings, settings.parent}  # `state` ends in the instance


@pytest.mark.parametrize("names", PATHS, ids=".".join)
def test_a_home_folder_that_nobody_has(file: Path, names: tuple[str, ...]) -> None:
    assert "there is no such home folder" in refusal(file, nested(names, "~nobody-has-this-name/folder"))


def nested(names: tuple[str, ...], value: str) -> dict[str, Any]:
    for name in reversed(names[1:]):
        value = {name: value}  # type: ignore[assignment]  # grows from the inside
    data: dict[str, Any] = {names[0]: value}
    if names[0] == "native":
        data["native"]["model"] = "smollm2-135m-instruct"
    return data
