"""The `identity` section of the settings: which issuer is trusted and how its tokens are read."""

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from auth.algorithms import ALGORITHMS
from auth.issuer_address import check_address
from auth.keycloak.settings import KeycloakSettings
from auth.user_path import UserPath

Address = Annotated[str, AfterValidator(check_address)]


class EmbeddedIssuerSettings(BaseModel):
    """The development issuer that the stack starts on loopback."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    enabled: bool = Field(default=True, description="Start the development issuer; refused in production.")
    port: int = Field(default=8099, ge=1, le=65535, description="Loopback port it listens on.")
    state_dir: UserPath = Field(
        default=Path("~/.local/state/mizan/issuer"),
        validate_default=True,
        description="Folder for its keys and client secrets (one file, mode 0600).",
    )
    token_lifetime_seconds: int = Field(
        default=300, ge=5, le=86_400, description="How long its access tokens are valid, in seconds."
    )
    key_grace_seconds: int = Field(
        default=900, ge=0, description="How long a replaced signing key stays published, in seconds."
    )

    @property
    def url(self) -> str:
        """The issuer identifier and base address of the development issuer."""
        return f"http://127.0.0.1:{self.port}"


class IdentitySettings(BaseModel):
    """Whose tokens are accepted, and what is read from them."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    production: bool = Field(
        default=False, description="Whether this serves real users; the development issuer is then refused."
    )
    issuer: Address | None = Field(
        default=None,
        description="The OpenID Connect issuer, exactly as in the `iss` claim; empty for the embedded one, "
        "or for the realm of `keycloak` where `tenants` is keycloak.",
    )
    discovery_url: Address | None = Field(
        default=None,
        description="Where to read the issuer's metadata if not below the issuer's own address, "
        "such as Keycloak's address inside the cluster.",
    )
    jwks_url: Address | None = Field(
        default=None, description="Where the issuer's keys are, to skip discovery or to allow another host."
    )
    ca_file: UserPath | None = Field(
        default=None, description="PEM file of the authority that signed the issuer's TLS certificate."
    )
    audience: str = Field(default="mizan", min_length=1, description="What the `aud` claim must contain.")
    claims: Literal["development", "keycloak"] = Field(
        default="development",
        description="How claims become tenant and scopes: `development` reads `tenant` and `scope`, "
        "`keycloak` reads `organization` and the client roles.",
    )
    roles_client: str = Field(
        default="mizan", min_length=1, description="Keycloak client whose roles are the scopes."
    )
    algorithms: tuple[str, ...] = Field(
        default=("RS256", "PS256", "ES256", "EdDSA", "Ed25519"),
        min_length=1,
        description="Signature algorithms accepted; asymmetric ones only.",
    )
    leeway_seconds: float = Field(
        default=60, ge=0, le=300, description="Clock difference tolerated in exp, nbf and iat, in seconds."
    )
    max_token_lifetime_seconds: float = Field(
        default=86_400, gt=0, description="Longest time between iat and exp that is accepted, in seconds."
    )
    jwks_fresh_seconds: float = Field(
        default=300, gt=0, description="Age at which the issuer's keys are read again, in seconds."
    )
    jwks_refetch_seconds: float = Field(
        default=2, ge=0.1, description="Least time between two readings of the keys, in seconds."
    )
    jwks_stale_seconds: float = Field(
        default=3600,
        gt=0,
        description="How long known keys are used while the issuer cannot be reached, in seconds.",
    )
    jwks_file: UserPath | None = Field(
        default=None,
        description="File that keeps the issuer's keys over a restart; empty for one beside the tenants "
        "where `tenants` is keycloak, and else for none.",
    )
    introspection_url: Address | None = Field(
        default=None,
        description="The issuer's introspection endpoint, to skip discovery or to allow another host.",
    )
    introspection_file: UserPath | None = Field(
        default=None,
        description="JSON file (mode 0600) with `client_id` and `client_secret` that may introspect tokens; "
        "routes for operators need it. Empty for the one that `mizan keycloak bootstrap` leaves.",
    )
    http_timeout_seconds: float = Field(
        default=5, gt=0, description="Time the issuer has to answer one request, in seconds."
    )
    token_cache_size: int = Field(
        default=10_000, ge=1, description="How many verified tokens are remembered, by digest."
    )
    tenants: Literal["file", "keycloak"] = Field(
        default="file",
        description="Where tenants are looked up: `file` reads `tenants_file`, `keycloak` the organizations "
        "of the realm.",
    )
    tenants_file: UserPath | None = Field(
        default=None, description="YAML file of tenants and applications; empty for the shipped example."
    )
    session_file: UserPath = Field(
        default=Path("~/.local/state/mizan/session.json"),
        validate_default=True,
        description="Session of the person who ran `mizan login` (mode 0600).",
    )
    keycloak: KeycloakSettings = Field(
        default=KeycloakSettings(), description="Keycloak, where tenants are its organizations."
    )
    embedded: EmbeddedIssuerSettings = Field(
        default=EmbeddedIssuerSettings(), description="The development issuer."
    )

    @property
    def issuer_url(self) -> str:
        """The issuer in force: the configured one, the embedded one, or the Keycloak realm."""
        if self.issuer is not None:
            return self.issuer
        return self.embedded.url if self.embedded.enabled else self.keycloak.issuer

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.production and self.embedded.enabled:
            raise ValueError(
                "embedded.enabled must be false where production is true: "
                "the development issuer is not for real users"
            )
        if self.issuer is None and not self.embedded.enabled and self.tenants != "keycloak":
            raise ValueError("issuer must be set where embedded.enabled is false and tenants is not keycloak")
        if self.tenants == "keycloak" and (self.embedded.enabled or self.claims != "keycloak"):
            raise ValueError(
                "tenants is keycloak: claims must be keycloak too, and embedded.enabled must be false"
            )
        if self.embedded.enabled and self.issuer not in (None, self.embedded.url):
            raise ValueError(
                f"issuer is {self.issuer}, but the issuer of embedded.enabled is {self.embedded.url}: "
                "set embedded.enabled to false or leave issuer empty"
            )
        unknown = [name for name in self.algorithms if name not in ALGORITHMS]
        if unknown:
            raise ValueError(
                f"algorithms: {', '.join(unknown)} cannot be allowed; choose from {', '.join(ALGORITHMS)}"
            )
        if not self.jwks_refetch_seconds <= self.jwks_fresh_seconds <= self.jwks_stale_seconds:
            raise ValueError(
                "jwks_refetch_seconds, jwks_fresh_seconds and jwks_stale_seconds must not decrease "
                "in this order"
            )
        return self
