"""Building the verifier and the tenant directory that the settings describe."""

import httpx

from auth.claims import ClaimRules
from auth.clock import Clock, SystemClock
from auth.issuer_http import IssuerHttp
from auth.key_file import KeyFile
from auth.key_source import HttpKeySource
from auth.mapping import ClaimsMapping, DevelopmentClaims, KeycloakClaims
from auth.operators import OperatorGuard
from auth.settings import IdentitySettings
from auth.signing_keys import KeyAges, SigningKeys
from auth.standing import IntrospectedStanding, ListedStanding, UnknownStanding
from auth.tenant_file import DEVELOPMENT_TENANTS, FileTenantDirectory, TenantFile
from auth.tenants import TenantDirectory
from auth.tls import tls_context
from auth.verification import TokenVerifier


def build_verifier(
    settings: IdentitySettings,
    *,
    clock: Clock | None = None,
    transport: httpx.AsyncBaseTransport | None = None,
) -> TokenVerifier:
    """A verifier for the configured issuer; reads nothing yet. Close it when done."""
    clock = clock or SystemClock()
    client = _client(settings, transport)
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


def build_operator_guard(
    settings: IdentitySettings,
    verifier: TokenVerifier,
    *,
    transport: httpx.AsyncBaseTransport | None = None,
) -> OperatorGuard:
    """The guard of routes for operators; asks nobody yet. Close it when done.

    Raises `InvalidTenants` where the embedded issuer's tenants file is no use.
    """
    if settings.embedded.enabled:
        listed = ListedStanding(TenantFile(settings.tenants_file or DEVELOPMENT_TENANTS))
        return OperatorGuard(verifier, listed)
    credentials = settings.introspection_file
    if credentials is None and settings.tenants == "keycloak":
        credentials = settings.keycloak.resource_server_file
    if credentials is None:
        return OperatorGuard(verifier, UnknownStanding())
    client = _client(settings, transport)
    http = IssuerHttp(
        client,
        settings.issuer_url,
        discovery_url=settings.discovery_url,
        timeout=settings.http_timeout_seconds,
    )
    standing = IntrospectedStanding(http, claims_mapping(settings), credentials, settings.introspection_url)
    return OperatorGuard(verifier, standing, on_close=client.aclose)


def _client(settings: IdentitySettings, transport: httpx.AsyncBaseTransport | None) -> httpx.AsyncClient:
    # Proxies of the environment are ignored: nothing connects outside the configured hosts.
    return httpx.AsyncClient(
        transport=transport or httpx.AsyncHTTPTransport(verify=tls_context(settings.ca_file)),
        trust_env=False,
        follow_redirects=False,
        timeout=settings.http_timeout_seconds,
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

        transport = httpx.HTTPTransport(verify=tls_context(settings.ca_file))
        return KeycloakTenantDirectory(settings.keycloak, transport=transport).start()
    return FileTenantDirectory(TenantFile(settings.tenants_file or DEVELOPMENT_TENANTS))
