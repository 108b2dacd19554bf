"""The one settings object, and what follows from one setting for others."""

from pathlib import Path
from typing import Any, Literal

from pydantic import Field, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from auth.settings import IdentitySettings
from auth.user_path import UserPath, expanded
from models.settings import ModelsSettings
from serving.judgements.settings import JudgementsSettings
from serving.limits.settings import LimitSettings
from serving.overload.settings import OverloadSettings
from serving.quarantine.settings import QuarantineSettings
from serving.redis_connection import RedisSettings
from serving.settings.engines import EngineSettings, JudgeSettings, ShadowSettings
from serving.settings.gateway import GatewaySettings
from serving.settings.ray import RaySettings
from serving.settings.telemetry import TelemetrySettings

PREFIX = "MIZAN_"
BUNDLED_POLICIES = Path(__file__).parents[1] / "policies"


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
            _default(data, "gateway", metrics_open=False, health_details=False)
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
