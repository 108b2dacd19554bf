"""The `identity.keycloak` section: the server, the realm, and how its organizations are read."""

from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from auth.issuer_address import check_address
from auth.limits import TenantLimits
from auth.user_path import UserPath


class TenantDefaults(BaseModel):
    """What a tenant has that sets nothing itself."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    models: tuple[str, ...] = Field(default=("*",), description="Native models it may use; `*` means all.")
    policy: str = Field(default="default", min_length=1, description="Id of its judging policy.")
    limits: TenantLimits = Field(default=TenantLimits(), description="Its limits.")


class LocalServerSettings(BaseModel):
    """The server that `mizan keycloak up` runs on loopback."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    port: int = Field(default=8180, ge=1, le=65535, description="Port of the local server.")
    management_port: int = Field(default=8181, ge=1, le=65535, description="Port of its health checks.")
    heap_mb: int = Field(default=384, ge=256, description="Largest heap of the server, in MB.")
    start_seconds: float = Field(default=300, gt=0, description="Time it may take to become ready.")


class KeycloakSettings(BaseModel):
    """How tenants are kept in a Keycloak realm."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    server: Annotated[str, AfterValidator(check_address)] = Field(
        default="http://127.0.0.1:8180", description="Base address of the Keycloak server."
    )
    realm: str = Field(
        default="mizan", pattern=r"^[A-Za-z0-9._-]{1,64}$", description="Realm of tenants and applications."
    )
    state_dir: UserPath = Field(
        default=Path("~/.local/state/mizan/keycloak"),
        validate_default=True,
        description="Folder for credentials (mode 0600), the last known tenants, the local server's data.",
    )
    reader_client: str = Field(
        default="mizan-reader", min_length=1, description="Client the gateway reads organizations with."
    )
    cli_client: str = Field(
        default="mizan-cli", min_length=1, description="Public client people log in with by `mizan login`."
    )
    page_size: int = Field(default=100, ge=1, le=1000, description="Organizations asked for at a time.")
    poll_seconds: float = Field(
        default=4, ge=0.1, le=8, description="Time between readings; an edit is felt within ten seconds."
    )
    max_age_seconds: float = Field(
        default=21_600,
        gt=0,
        description="How long the last known tenants are used while Keycloak cannot be reached, in seconds.",
    )
    defaults: TenantDefaults = Field(default=TenantDefaults(), description="For tenants that set nothing.")
    local: LocalServerSettings = Field(default=LocalServerSettings(), description="The local server.")

    @property
    def issuer(self) -> str:
        """The realm's issuer identifier."""
        return f"{self.server.rstrip('/')}/realms/{self.realm}"

    @property
    def admin_file(self) -> Path:
        """Credentials of the operator that administers the realm."""
        return self.state_dir / "admin.json"

    @property
    def reader_file(self) -> Path:
        """The gateway's own client credentials."""
        return self.state_dir / "reader.json"

    @property
    def resource_server_file(self) -> Path:
        """Credentials of the resource server, which asks whether a token still stands."""
        return self.state_dir / "resource-server.json"

    @property
    def snapshot_file(self) -> Path:
        """The last known tenants."""
        return self.state_dir / f"tenants-{self.realm}.json"

    @property
    def keys_file(self) -> Path:
        """The issuer's keys as last read."""
        return self.state_dir / f"keys-{self.realm}.json"
