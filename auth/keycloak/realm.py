"""What a realm for Mizan consists of: the one definition behind bootstrap, its check and the realm file."""

from dataclasses import dataclass
from typing import Any, Final

from auth.principal import SCOPES

ACCESS_TOKEN_SECONDS: Final = 300
AUDIENCE_SCOPE: Final = "mizan-audience"
ORGANIZATION_SCOPE: Final = "organization"
REALM_MANAGEMENT: Final = "realm-management"
READER_ROLE: Final = "view-organizations"

ROLE_DESCRIPTIONS: Final = {
    "chat": "Ask the native model",
    "moderate": "Have texts judged",
    "usage": "Read usage figures",
    "supervisor": "Read verdicts and quarantine agents, across tenants",
    "admin": "Administer the stack, across tenants",
}

BASE_SCOPES: Final = ("basic", "roles", "service_account")
"""Default client scopes of every client: subject and issue time, roles, and the client's id."""

APPLICATION_SCOPES: Final = (*BASE_SCOPES, ORGANIZATION_SCOPE, AUDIENCE_SCOPE)
"""Default client scopes of an application."""

ADMINISTRATION_SCOPE: Final = "mizan-administration"
"""The optional client scope without which no token of a person can change anything in Keycloak."""

CLI_SCOPES: Final = ("basic", "roles", "profile", ORGANIZATION_SCOPE, AUDIENCE_SCOPE)
"""Default client scopes of the command line: what a person's token says to the gateway."""

ADMINISTRATOR_ROLES: Final = ("manage-clients", "manage-organizations", "manage-users")
"""Roles of realm-management behind `mizan tenant` and `mizan app`; service accounts are users."""

GROUPS: Final = {
    "mizan-administrators": ("admin", ADMINISTRATOR_ROLES),
    "mizan-supervisors": ("supervisor", ()),
}
"""Groups of people: the role of the resource server, and roles of realm-management, that each gives."""


@dataclass(frozen=True, slots=True)
class RealmDefinition:
    """The realm, for the names that the settings choose."""

    realm: str
    audience: str
    roles_client: str
    reader_client: str
    cli_client: str

    @property
    def fields(self) -> dict[str, Any]:
        """Realm settings that must have these values."""
        return {
            "enabled": True,
            "organizationsEnabled": True,
            "adminEventsEnabled": True,
            "adminEventsDetailsEnabled": True,
            "accessTokenLifespan": ACCESS_TOKEN_SECONDS,
        }

    @property
    def resource_server(self) -> dict[str, Any]:
        """The client that carries the roles; nobody logs in with it."""
        return {
            "clientId": self.roles_client,
            "name": "Mizan",
            "enabled": True,
            "publicClient": False,
            "standardFlowEnabled": False,
            "implicitFlowEnabled": False,
            "directAccessGrantsEnabled": False,
            "serviceAccountsEnabled": False,
            "fullScopeAllowed": False,
        }

    @property
    def reader(self) -> dict[str, Any]:
        """The gateway's own client: it reads organizations and nothing else."""
        return confidential_client(self.reader_client, "Mizan gateway: reads organizations")

    @property
    def cli(self) -> dict[str, Any]:
        """The command line: a public client that can do nothing but the device grant (RFC 8628)."""
        return {
            "clientId": self.cli_client,
            "name": "Mizan command line",
            "enabled": True,
            "publicClient": True,
            "standardFlowEnabled": False,
            "implicitFlowEnabled": False,
            "directAccessGrantsEnabled": False,
            "serviceAccountsEnabled": False,
            "fullScopeAllowed": False,
            "attributes": {"oauth2.device.authorization.grant.enabled": "true"},
        }

    @property
    def administration_scope(self) -> dict[str, Any]:
        """The client scope that lets a token of an administrator change tenants in Keycloak."""
        return {
            "name": ADMINISTRATION_SCOPE,
            "description": "Change tenants and applications",
            "protocol": "openid-connect",
            "attributes": {"include.in.token.scope": "true", "display.on.consent.screen": "true"},
        }

    @property
    def roles(self) -> dict[str, str]:
        """Client roles of the resource server with their descriptions."""
        return {name: ROLE_DESCRIPTIONS[name] for name in sorted(SCOPES)}

    @property
    def audience_scope(self) -> dict[str, Any]:
        """The client scope that puts the audience into access tokens."""
        return {
            "name": AUDIENCE_SCOPE,
            "description": "Access tokens are meant for Mizan",
            "protocol": "openid-connect",
            "attributes": {"include.in.token.scope": "false", "display.on.consent.screen": "false"},
        }

    @property
    def audience_mapper(self) -> dict[str, Any]:
        """The mapper within `audience_scope`."""
        return {
            "name": AUDIENCE_SCOPE,
            "protocol": "openid-connect",
            "protocolMapper": "oidc-audience-mapper",
            "config": {
                "included.custom.audience": self.audience,
                "access.token.claim": "true",
                "id.token.claim": "false",
                "introspection.token.claim": "true",
            },
        }

    @property
    def organization_mapper(self) -> dict[str, Any]:
        """The mapper that names the organization by its id, as Keycloak's own scope of that name needs it."""
        return {
            "name": ORGANIZATION_SCOPE,
            "protocol": "openid-connect",
            "protocolMapper": "oidc-organization-membership-mapper",
            "config": {
                "claim.name": "organization",
                "jsonType.label": "String",
                "multivalued": "true",
                "access.token.claim": "true",
                "id.token.claim": "true",
                "introspection.token.claim": "true",
                "addOrganizationId": "true",
            },
        }


def confidential_client(client_id: str, name: str) -> dict[str, Any]:
    """A client that has a service account and can do nothing but the client-credentials grant."""
    return {
        "clientId": client_id,
        "name": name,
        "enabled": True,
        "publicClient": False,
        "clientAuthenticatorType": "client-secret",
        "standardFlowEnabled": False,
        "implicitFlowEnabled": False,
        "directAccessGrantsEnabled": False,
        "serviceAccountsEnabled": True,
        "fullScopeAllowed": False,
    }
