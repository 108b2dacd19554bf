"""How an issuer's own claims become a tenant and scopes: one strategy per kind of issuer."""

from typing import Any, Protocol
from uuid import UUID

from auth.claims import printable
from auth.principal import NO_TENANT, OPERATOR_SCOPES, SCOPES, TENANT_SCOPES
from auth.refusals import Denial, Forbidden


class ClaimsMapping(Protocol):
    """Reads tenant and scopes from the claims of a verified token; raises `Forbidden`."""

    def scopes(self, claims: dict[str, Any]) -> frozenset[str]:
        """The scopes known to this service; others in the token are ignored."""
        ...

    def tenant(self, claims: dict[str, Any]) -> str | None:
        """The tenant's id, or None where the token names none."""
        ...


def map_claims(mapping: ClaimsMapping, claims: dict[str, Any]) -> tuple[str, frozenset[str]]:
    """Tenant and scopes of a verified token.

    Without a tenant only operators get through, with their operator scopes and `usage`; whoever holds
    none of those is refused.
    """
    scopes = mapping.scopes(claims)
    tenant = mapping.tenant(claims)
    if tenant is not None:
        return tenant, scopes
    if not scopes & OPERATOR_SCOPES:
        raise Forbidden(Denial.NO_TENANT)
    return NO_TENANT, scopes - (TENANT_SCOPES - {"usage"})


class DevelopmentClaims:
    """The embedded issuer: a `tenant` claim and the space-separated `scope` of RFC 8693."""

    def scopes(self, claims: dict[str, Any]) -> frozenset[str]:
        scope = claims.get("scope", "")
        if not isinstance(scope, str):
            raise Forbidden(Denial.SCOPES_FORM)
        return frozenset(scope.split(" ")) & SCOPES

    def tenant(self, claims: dict[str, Any]) -> str | None:
        if "tenant" not in claims:
            return None
        tenant = printable(claims["tenant"])
        if tenant is None:
            raise Forbidden(Denial.TENANT_FORM)
        return tenant


class KeycloakClaims:
    """Keycloak: the `organization` claim is the tenant, the client roles of `roles_client` are the scopes.

    The claim is an object `{alias: {"id": …}}` where the realm adds organization ids: the tenant is then
    known by its immutable id. Without ids it is an array of aliases; an alias that looks like an id is
    refused, because it could stand for another organization.
    """

    def __init__(self, roles_client: str) -> None:
        self._roles_client = roles_client

    def scopes(self, claims: dict[str, Any]) -> frozenset[str]:
        roles: object = claims.get("resource_access", {})
        for member in (self._roles_client, "roles"):
            if not isinstance(roles, dict):
                raise Forbidden(Denial.SCOPES_FORM)
            if member not in roles:
                return frozenset()
            roles = roles[member]
        if not isinstance(roles, list) or not all(isinstance(role, str) for role in roles):
            raise Forbidden(Denial.SCOPES_FORM)
        return frozenset(roles) & SCOPES

    def tenant(self, claims: dict[str, Any]) -> str | None:
        organizations = claims.get("organization")
        if organizations is None or organizations in ([], {}):
            return None
        if not isinstance(organizations, list | dict):
            raise Forbidden(Denial.TENANT_FORM)
        if len(organizations) > 1:
            raise Forbidden(Denial.SEVERAL_TENANTS)
        if isinstance(organizations, list):
            tenant = printable(organizations[0])
            if tenant is None or _is_uuid(tenant):
                raise Forbidden(Denial.TENANT_FORM)
            return tenant
        (details,) = organizations.values()
        identifier = printable(details.get("id")) if isinstance(details, dict) else None
        if identifier is None:
            raise Forbidden(Denial.TENANT_FORM)
        return identifier


def _is_uuid(text: str) -> bool:
    try:
        UUID(text)
    except ValueError:
        return False
    return True
