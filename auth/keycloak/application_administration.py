"""Creating and changing applications: confidential clients that belong to one tenant."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, Final

from keycloak import KeycloakAdmin

from auth.keycloak.realm import APPLICATION_SCOPES, confidential_client
from auth.keycloak.tenant_administration import AdministrationError, TenantAdministration
from auth.principal import TENANT_SCOPES

SERVICE_ACCOUNT: Final = "service-account-"
_PAGE: Final = 100


@dataclass(frozen=True, slots=True)
class Application:
    """An application as Keycloak has it."""

    client_id: str
    name: str
    enabled: bool
    roles: tuple[str, ...]


class ApplicationAdministration:
    """The applications of tenants. Every command can be repeated: the second time it changes nothing."""

    def __init__(self, admin: KeycloakAdmin, tenants: TenantAdministration, roles_client: str) -> None:
        self._admin = admin
        self._tenants = tenants
        self._roles_client = roles_client

    def of_tenant(self, tenant: str) -> list[Application]:
        """The applications of a tenant, ordered by client id."""
        organization = self._tenants.organization(tenant)
        return sorted(
            (self._application(name) for name in self._members(organization["id"])),
            key=lambda application: application.client_id,
        )

    def create(
        self, client_id: str, tenant: str, roles: Collection[str], name: str | None = None
    ) -> tuple[Application, str | None]:
        """An application of `tenant` with `roles`; also its secret if it had to be made.

        An existing one of the same tenant is completed. Raises `AdministrationError` if the client id is
        taken by something else: a client of another tenant, or one that is no application.
        """
        unknown = set(roles) - TENANT_SCOPES
        if unknown or not roles:
            raise AdministrationError(f"roles must be some of {', '.join(sorted(TENANT_SCOPES))}")
        organization = self._tenants.organization(tenant)
        identifier = self._admin.get_client_id(client_id)
        made = identifier is None
        if identifier is None:
            identifier = self._admin.create_client(
                confidential_client(client_id, name or client_id)
                | {
                    "defaultClientScopes": list(APPLICATION_SCOPES),
                    "optionalClientScopes": [],
                    "attributes": {"access.token.header.type.rfc9068": "true"},
                }
            )
        else:
            self._identifier(client_id)
        account = self._admin.get_client_service_account_user(identifier)["id"]
        homes = self._admin.get_user_organizations(account)
        if any(home["id"] != organization["id"] for home in homes):
            raise AdministrationError(f"the application {client_id} belongs to another tenant")
        self._allow(identifier, account, roles)
        if not homes:
            self._admin.organization_user_add(account, organization["id"])
        secret = self._admin.get_client_secrets(identifier)["value"] if made else None
        return self._application(client_id), secret

    def rotate_secret(self, client_id: str) -> str:
        """Give the application a new secret; the old one is refused at once."""
        return str(self._admin.generate_client_secrets(self._identifier(client_id))["value"])

    def set_enabled(self, client_id: str, enabled: bool) -> bool:
        """Allow or refuse new tokens. Says whether that changed anything."""
        identifier = self._identifier(client_id)
        client = self._admin.get_client(identifier)
        if client["enabled"] == enabled:
            return False
        self._admin.update_client(identifier, client | {"enabled": enabled})
        return True

    def delete(self, client_id: str) -> bool:
        """Delete an application. Says whether there was one."""
        if self._admin.get_client_id(client_id) is None:
            return False
        self._admin.delete_client(self._identifier(client_id))
        return True

    def _allow(self, identifier: str, account: str, roles: Collection[str]) -> None:
        """Give the roles to the account and into the scope of its tokens; take others of this kind away."""
        owner = str(self._admin.get_client_id(self._roles_client))
        known = {role["name"]: role for role in self._admin.get_client_roles(owner)}
        missing = set(roles) - known.keys()
        if missing:
            raise AdministrationError(
                f"the realm lacks the roles {', '.join(sorted(missing))}: run `mizan keycloak bootstrap`"
            )
        wanted = [known[role] for role in roles]
        held = self._admin.get_client_roles_of_user(account, owner)
        excess = [role for role in held if role["name"] not in roles]
        if excess:
            self._admin.delete_client_roles_of_user(account, owner, excess)
        self._admin.assign_client_role(account, owner, wanted)
        self._admin.assign_client_roles_to_client_scope(identifier, owner, wanted)

    def _members(self, organization: str) -> list[str]:
        """Client ids of the service accounts among an organization's members."""
        found: list[str] = []
        first = 0
        while True:
            page = self._admin.get_organization_members(organization, {"first": first, "max": _PAGE})
            found += [
                member["username"].removeprefix(SERVICE_ACCOUNT)
                for member in page
                if member["username"].startswith(SERVICE_ACCOUNT)
            ]
            if len(page) < _PAGE:
                return found
            first += _PAGE

    def _application(self, client_id: str) -> Application:
        identifier = self._identifier(client_id)
        client: dict[str, Any] = self._admin.get_client(identifier)
        account = self._admin.get_client_service_account_user(identifier)["id"]
        owner = str(self._admin.get_client_id(self._roles_client))
        roles = [role["name"] for role in self._admin.get_client_roles_of_user(account, owner)]
        return Application(
            client_id, client.get("name") or client_id, client["enabled"], tuple(sorted(roles))
        )

    def _identifier(self, client_id: str) -> str:
        """Keycloak's id of an application's client. Raises `AdministrationError` for any other client."""
        identifier = self._admin.get_client_id(client_id)
        if identifier is None:
            raise AdministrationError(f"there is no application {client_id!r:.120}")
        client = self._admin.get_client(identifier)
        scopes = {scope["name"] for scope in self._admin.get_client_default_client_scopes(identifier)}
        # Keycloak's own clients and the gateway's reader must not be changed by a slip of the tongue.
        if not client.get("serviceAccountsEnabled") or not set(APPLICATION_SCOPES) <= scopes:
            raise AdministrationError(f"the client {client_id} exists and is no application of a tenant")
        return str(identifier)
