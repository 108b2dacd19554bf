"""The one settings object: defaults, then one YAML file, then MIZAN_ environment variables."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict
from pydantic_settings import SettingsError as UnreadableVariable

from auth import strict_yaml
from auth.settings import IdentitySettings
from auth.user_path import UserPath, expanded
from models.settings import ModelsSettings
from serving.judgements.settings import JudgementsSettings
from serving.limits.settings import LimitSettings
from serving.overload.settings import OverloadSettings
from serving.quarantine.settings import QuarantineSettings
from serving.redis_connection import RedisSettings

PREFIX = "MIZAN_"
CONFIG_VARIABLE = "MIZAN_CONFIG"
NOT_SETTINGS = {
    CONFIG_VARIABLE,
    "MIZAN_STACK",
    "MIZAN_PYTHON",
    "MIZAN_TORCH_LINKS",
    "MIZAN_TORCH_INDEX",
}
"""Variables of ours that are no settings: the file's path, the mark on every process of a stack, and what the
installer reads."""

MASK = "********"
"""What stands for a secret wherever settings are shown."""

BUNDLED_POLICIES = Path(__file__).parent / "policies"


class SettingsError(ValueError):
    """A setting is wrong; the message names it."""


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class GatewaySettings(_Section):
    """The HTTP front: where it listens and how much a request may ask for."""

    host: str = Field(default="127.0.0.1", description="Address the gateway listens on.")
    port: int = Field(default=8000, ge=1, le=65535, description="Port the gateway listens on.")
    replicas: int = Field(default=1, ge=1, le=256, description="Gateway replicas.")
    max_ongoing_requests: int = Field(
        default=256, ge=1, description="Requests one gateway replica works on at a time."
    )
    max_queued_requests: int = Field(
        default=1024, ge=1, description="Requests waiting for a gateway replica before 503."
    )
    max_body_bytes: int = Field(default=4 << 20, ge=1024, description="Largest request body; larger: 413.")
    max_choices: int = Field(default=4, ge=1, le=128, description="Largest `n`.")
    max_output_tokens: int = Field(default=4096, ge=1, description="Largest `max_tokens`.")
    default_output_tokens: int = Field(
        default=512, ge=1, description="`max_tokens` of a request that names none."
    )
    request_timeout: float = Field(default=600, gt=0, description="Seconds a request may take in all.")
    body_timeout: float = Field(default=30, gt=0, description="Seconds a request body may take to arrive.")
    max_moderated_characters: int = Field(
        default=200_000, ge=1, description="Most characters that one request to /v1/moderations has judged."
    )
    metrics_token: SecretStr | None = Field(
        default=None, min_length=16, description="Bearer token that opens /metrics, which names tenants."
    )
    metrics_open: bool = Field(
        default=True,
        description="Whether /metrics answers without a token where none is set; not so in production mode.",
    )

    @property
    def url(self) -> str:
        """Where the gateway is reached from its own machine."""
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(self.host, self.host)  # noqa: S104  not bound
        return f"http://[{host}]:{self.port}" if ":" in host else f"http://{host}:{self.port}"


class EngineSettings(_Section):
    """One model and how it is served."""

    model: str = Field(description="Catalog id of the model.")
    accelerator: Literal["cpu", "gpu"] = Field(default="cpu", description="What it runs on.")
    min_replicas: int = Field(default=1, ge=1, description="Fewest replicas.")
    max_replicas: int = Field(
        default=1, ge=1, description="Most replicas; more than the fewest: autoscaling."
    )
    target_ongoing_requests: int = Field(
        default=16, ge=1, description="Requests per replica that autoscaling aims at."
    )
    max_ongoing_requests: int = Field(default=256, ge=1, description="Requests one replica takes at a time.")
    cpus: float | None = Field(
        default=None, gt=0, description="CPUs a replica reserves, instead of the catalog's."
    )
    gpus: float | None = Field(
        default=None, ge=0, description="GPUs a replica reserves, instead of the catalog's."
    )
    ray_resources: dict[str, float] = Field(
        default_factory=dict,
        description="Custom Ray resources a replica needs, to place it on certain nodes.",
    )
    engine_args: dict[str, Any] = Field(
        default_factory=dict, description="vLLM AsyncEngineArgs by name, over those of the catalog."
    )
    simulate: UserPath | None = Field(
        default=None,
        description="Script of a simulated engine (YAML) instead of the model; development only.",
    )

    @model_validator(mode="after")
    def _ordered(self) -> "EngineSettings":
        if self.max_replicas < self.min_replicas:
            raise ValueError("max_replicas must not be less than min_replicas")
        return self


class JudgeSettings(EngineSettings):
    """The judge's engine, and how the gateway calls it."""

    calls_in_flight: int = Field(
        default=8, ge=1, description="Calls one gateway replica has out at a time; further checks gather."
    )


class ShadowSettings(EngineSettings):
    """A candidate that judges a share of the same traffic without acting."""

    sample: float = Field(default=0.1, gt=0, le=1, description="Share of requests that it judges too.")
    checks_in_flight: int = Field(
        default=8, ge=1, description="Checks one gateway replica asks of it at a time; more are dropped."
    )
    timeout: float = Field(default=30, gt=0, le=600, description="Seconds it may take for a check.")


class TelemetrySettings(_Section):
    """Where traces go. Metrics are always at /metrics."""

    traces: Literal["none", "console", "otlp"] = Field(default="none", description="Exporter of traces.")
    endpoint: str | None = Field(
        default=None,
        description="OTLP/HTTP endpoint of the collector, as in http://127.0.0.1:4318/v1/traces.",
    )
    service_name: str = Field(default="mizan", min_length=1, description="service.name of the resource.")
    sample_ratio: float = Field(default=1.0, ge=0, le=1, description="Share of requests that are traced.")

    @model_validator(mode="after")
    def _endpoint_known(self) -> "TelemetrySettings":
        if self.traces == "otlp" and not self.endpoint:
            raise ValueError("endpoint is needed where traces is otlp")
        return self


class RaySettings(_Section):
    """The Ray cluster that the stack runs on."""

    address: str | None = Field(
        default=None,
        description="Address of a running Ray cluster (host:port); absent, Ray is started on this machine.",
    )
    cpus: int | None = Field(
        default=None,
        ge=1,
        description="Logical CPUs of a local Ray; absent, at least 4 whatever the machine.",
    )
    object_store_bytes: int = Field(
        default=256 << 20,
        ge=80 << 20,
        description="Object store of a local Ray; answers travel outside of it.",
    )
    start_timeout: float = Field(default=600, gt=0, description="Seconds the stack may take to become ready.")


class Settings(BaseSettings):
    """Everything that can be set. In the environment: MIZAN_GATEWAY__PORT=9000 and the like."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_nested_delimiter="__", frozen=True, extra="forbid", validate_default=True
    )

    mode: Literal["development", "production"] = Field(
        default="development",
        description="Production refuses the development issuer, simulated engines and unpinned models.",
    )
    instance: str = Field(
        default="default", pattern=r"^[a-z0-9-]{1,32}$", description="Name of this stack on this machine."
    )
    cache: Path = Field(
        default=Path("~/.cache/mizan"), description="Models, downloads and servers; kept between versions."
    )
    state: Path = Field(
        default=Path("~/.local/state/mizan"),
        description="What running stacks remember: logs, keys, process ids.",
    )
    policies: UserPath = Field(default=BUNDLED_POLICIES, description="Folder of policy files (*.yaml).")
    gateway: GatewaySettings = Field(default_factory=GatewaySettings, description="The HTTP front.")
    native: EngineSettings = Field(
        default_factory=lambda: EngineSettings(model="smollm2-135m-instruct"),
        description="The organisation's own model.",
    )
    judge: JudgeSettings = Field(
        default_factory=lambda: JudgeSettings(model="gemma-3-270m-judge"),
        description="The independent judge.",
    )
    shadows: tuple[ShadowSettings, ...] = Field(
        default=(), max_length=8, description="Candidate judges that judge along without acting."
    )
    identity: IdentitySettings = Field(
        default_factory=IdentitySettings, description="Whose tokens are accepted, and the tenants."
    )
    limits: LimitSettings = Field(
        default_factory=LimitSettings, description="How the limits of tenants are counted."
    )
    overload: OverloadSettings = Field(
        default_factory=OverloadSettings, description="When new work is refused because of the judge."
    )
    judgements: JudgementsSettings = Field(
        default_factory=JudgementsSettings, description="Verdicts that can be read again."
    )
    quarantine: QuarantineSettings = Field(
        default_factory=QuarantineSettings, description="When an application is shut out."
    )
    redis: RedisSettings = Field(
        default_factory=RedisSettings, description="The Redis that gateway replicas share."
    )
    models: ModelsSettings = Field(default_factory=ModelsSettings, description="Where models come from.")
    telemetry: TelemetrySettings = Field(default_factory=TelemetrySettings, description="Traces.")
    ray: RaySettings = Field(default_factory=RaySettings, description="The Ray cluster.")

    @model_validator(mode="before")
    @classmethod
    def _derive(cls, data: Any) -> Any:
        """Fill what follows from `mode`, `cache` and `state`, where it is not set by itself."""
        if not isinstance(data, dict):
            return data
        data = dict(data)
        production = data.get("mode", "development") == "production"
        cache, state = (
            expanded(Path(_path(name, data.get(name)) or cls.model_fields[name].default))
            for name in ("cache", "state")
        )
        state = state / str(data.get("instance", "default"))
        data["cache"], data["state"] = cache, state
        _default(data, "models", cache_dir=cache, production=production)
        identity = _default(data, "identity", production=production)
        embedded = _default(identity, "embedded", state_dir=state / "issuer")
        _default(identity, "keycloak", state_dir=state / "keycloak")
        if production:
            embedded.setdefault("enabled", False)
            _default(data, "quarantine", violations=50)
            _default(data, "gateway", metrics_open=False)
        _default(data, "native", model="smollm2-135m-instruct")
        _default(data, "judge", model="gemma-3-270m-judge")
        return data

    @model_validator(mode="after")
    def _shadows_apart(self) -> "Settings":
        models = [shadow.model for shadow in self.shadows]
        if len(set(models)) != len(models):
            raise ValueError("shadows: each model may be there once")
        return self

    @model_validator(mode="after")
    def _production(self) -> "Settings":
        shadows = (("shadows", shadow) for shadow in self.shadows)
        for name, engine in (("native", self.native), ("judge", self.judge), *shadows):
            if self.mode == "production" and engine.simulate is not None:
                raise ValueError(f"{name}.simulate is refused in production mode")
        for name, production in (("identity", self.identity.production), ("models", self.models.production)):
            if self.mode == "production" and not production:
                raise ValueError(f"{name}.production must be true in production mode")
        if self.mode == "production" and self.identity.tenants == "file" and not self.identity.tenants_file:
            raise ValueError(
                "identity.tenants_file must be set in production mode; the example is for development"
            )
        if self.gateway.default_output_tokens > self.gateway.max_output_tokens:
            raise ValueError("gateway.default_output_tokens must not exceed gateway.max_output_tokens")
        return self

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003  the signature is pydantic-settings'
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003  as above
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003  as above
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """The environment outweighs what `load` passes on from the file."""
        return env_settings, init_settings


def _default(data: dict[str, Any], section: str, **values: Any) -> dict[str, Any]:
    """Set values of a section that are not set. What is no mapping stays as it is, and is refused later."""
    given = data.get(section)
    if given is not None and not isinstance(given, dict):
        return {}
    merged = {**values, **(given or {})}
    data[section] = merged
    return merged


def _path(name: str, value: Any) -> str | Path | None:
    if value is not None and not isinstance(value, str | Path):
        raise ValueError(f"{name} must be a path")
    return value


def load(file: Path | None = None, environment: Mapping[str, str] | None = None) -> Settings:
    """Read the settings. `file` defaults to what MIZAN_CONFIG names. Raises SettingsError."""
    environment = os.environ if environment is None else environment
    _refuse_unknown(environment)
    if file is None and environment.get(CONFIG_VARIABLE):
        file = Path(environment[CONFIG_VARIABLE])
    try:
        return Settings(**_read(file))
    except ValidationError as error:
        raise SettingsError("; ".join(_sentence(detail) for detail in error.errors())) from error
    except UnreadableVariable as error:
        raise SettingsError(f"environment: {error}; a whole section must be a JSON object") from error


def _read(file: Path | None) -> dict[str, Any]:
    if file is None:
        return {}
    try:
        data = strict_yaml.load(file.read_text(encoding="utf-8")) or {}
    except OSError as error:
        raise SettingsError(f"settings file {file}: {error.strerror}") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise SettingsError(f"settings file {file} is not valid YAML: {error}") from error
    if not isinstance(data, dict):
        raise SettingsError(f"settings file {file} must be a mapping")
    for name in data:
        # Names with an underscore would reach the constructor of pydantic-settings instead.
        if not isinstance(name, str) or name.startswith("_"):
            raise SettingsError(f"{name}: there is no such setting")
    _refuse_masks(data)
    return data


def _refuse_masks(data: Mapping[str, Any], above: str = "") -> None:
    """Settings that were shown and saved must not make the mask a token or a password."""
    for name, value in data.items():
        if value == MASK:
            raise SettingsError(f"{above}{name}: the secret is masked here; write it out or leave it away")
        if isinstance(value, dict):
            _refuse_masks(value, f"{above}{name}.")


def _refuse_unknown(environment: Mapping[str, str]) -> None:
    """A misspelt variable must not be ignored silently."""
    for name in environment:
        if name.startswith(PREFIX) and name not in NOT_SETTINGS:
            field = name.removeprefix(PREFIX).split("__", 1)[0].lower()
            if field not in Settings.model_fields:
                raise SettingsError(f"environment variable {name}: there is no setting {field!r}")


def _sentence(detail: Mapping[str, Any]) -> str:
    where = ".".join(str(part) for part in detail["loc"]) or "settings"
    if detail["type"] == "extra_forbidden":
        return f"{where}: there is no such setting"
    return f"{where}: {str(detail['msg']).removeprefix('Value error, ')}"
