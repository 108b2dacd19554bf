"""Building the verifier and the tenant directory that the settings describe."""

import ssl

import httpx

from auth.claims import ClaimRules
from auth.clock import Clock, SystemClock
from auth.key_file import KeyFile
from auth.key_source import HttpKeySource
from auth.mapping import ClaimsMapping, DevelopmentClaims, KeycloakClaims
from auth.settings import IdentitySettings
from auth.signing_keys import KeyAges, SigningKeys
from auth.tenant_file import DEVELOPMENT_TENANTS, FileTenantDirectory, TenantFile
from auth.tenants import TenantDirectory
from auth.verification import TokenVerifier


def build_verifier(
    settings: IdentitySettings,
    *,
    clock: Clock | None = None,
    transport: httpx.AsyncBaseTransport | None = None,
) -> TokenVerifier:
    """A verifier for the configured issuer; reads nothing yet. Close it when done."""
    clock = clock or SystemClock()
    if transport is None:
        transport = httpx.AsyncHTTPTransport(verify=ssl.create_default_context(cafile=settings.ca_file))
    # Proxies of the environment are ignored: nothing connects outside the configured hosts.
    client = httpx.AsyncClient(
        transport=transport,
        trust_env=False,
        follow_redirects=False,
        timeout=settings.http_timeout_seconds,
    )
    source = HttpKeySource(
        client,
        settings.issuer_url,
        discovery_url=settings.discovery_url,
        jwks_url=settings.jwks_url,
        timeout=settings.http_timeout_seconds,
    )
    ages = KeyAges(
        fresh=settings.jwks_fresh_seconds,
        refetch=settings.jwks_refetch_seconds,
        stale=settings.jwks_stale_seconds,
    )
    return TokenVerifier(
        SigningKeys(source, clock, ages, _key_file(settings)),
        claim_rules(settings),
        claims_mapping(settings),
        clock,
        algorithms=settings.algorithms,
        cache_size=settings.token_cache_size,
        on_close=client.aclose,
    )


def _key_file(settings: IdentitySettings) -> KeyFile | None:
    path = settings.jwks_file
    if path is None and settings.tenants == "keycloak":
        path = settings.keycloak.keys_file
    return KeyFile(path, settings.issuer_url) if path is not None else None


def claim_rules(settings: IdentitySettings) -> ClaimRules:
    """What the settings expect of a token."""
    return ClaimRules(
        issuer=settings.issuer_url,
        audience=settings.audience,
        leeway=settings.leeway_seconds,
        max_lifetime=settings.max_token_lifetime_seconds,
    )


def claims_mapping(settings: IdentitySettings) -> ClaimsMapping:
    """The strategy that `claims` names."""
    if settings.claims == "keycloak":
        return KeycloakClaims(settings.roles_client)
    return DevelopmentClaims()


def open_directory(settings: IdentitySettings) -> TenantDirectory:
    """The tenants of `tenants_file`, or of the Keycloak realm, which is then polled in the background.

    Raises `InvalidTenants` if the file is no use. Keycloak may be down: lookups then raise
    `IssuerUnavailable` until it has been read, unless the last known tenants are on disk.
    """
    if settings.tenants == "keycloak":
        from auth.keycloak.directory import KeycloakTenantDirectory  # noqa: PLC0415 - only where it is used

        return KeycloakTenantDirectory(settings.keycloak).start()
    return FileTenantDirectory(TenantFile(settings.tenants_file or DEVELOPMENT_TENANTS))
