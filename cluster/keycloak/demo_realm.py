"""The demonstration's side of Keycloak: two tenants with an application each, and an operator."""

from dataclasses import dataclass
from typing import Any, Final

import httpx
from keycloak import KeycloakAdmin

from auth.client import AccessToken, request_token
from auth.keycloak.application_administration import ApplicationAdministration
from auth.keycloak.realm import APPLICATION_SCOPES, confidential_client
from auth.keycloak.tenant_administration import TenantAdministration
from auth.settings import IdentitySettings

TENANTS: Final = {"khouribga": "Site de Khouribga", "safi": "موقع آسفي"}
OPERATOR: Final = "demo-operator"


@dataclass
class DemoRealm:
    """Does by Keycloak's interface what an administrator does in its console."""

    admin: KeycloakAdmin
    identity: IdentitySettings

    def __post_init__(self) -> None:
        self.tenants = TenantAdministration(self.admin, self.identity.keycloak.defaults)
        self.applications = ApplicationAdministration(self.admin, self.tenants, self.identity.roles_client)
        self.secrets: dict[str, str] = {}

    def make_tenants(self) -> None:
        """Two tenants, an application each."""
        for alias, name in TENANTS.items():
            self.tenants.create(alias, name, {})
            client_id = f"{alias}-assistant"
            _, secret = self.applications.create(client_id, alias, ["chat", "moderate", "usage"])
            self.secrets[client_id] = secret or self.applications.rotate_secret(client_id)

    def make_operator(self) -> None:
        """A client with the role `admin` and without a tenant."""
        scopes = [scope for scope in APPLICATION_SCOPES if scope != "organization"]
        client = confidential_client(OPERATOR, "Operator of the demonstration")
        identifier = self.admin.create_client(
            client | {"defaultClientScopes": scopes, "optionalClientScopes": []}, skip_exists=True
        )
        owner = str(self.admin.get_client_id(self.identity.roles_client))
        role = self.admin.get_client_role(owner, "admin")
        account = self.admin.get_client_service_account_user(identifier)["id"]
        self.admin.assign_client_role(account, owner, [role])
        self.admin.assign_client_roles_to_client_scope(identifier, owner, [role])
        self.secrets[OPERATOR] = self.admin.get_client_secrets(identifier)["value"]

    def dismiss_operator(self) -> None:
        """Take the operator's role away; its tokens stay valid for minutes."""
        owner = str(self.admin.get_client_id(self.identity.roles_client))
        role = self.admin.get_client_role(owner, "admin")
        identifier = str(self.admin.get_client_id(OPERATOR))
        account = self.admin.get_client_service_account_user(identifier)["id"]
        self.admin.delete_client_roles_of_user(account, owner, [role])

    def type_attributes(self, alias: str, attributes: dict[str, str]) -> None:
        """Replace an organization's attributes, unchecked, as the console does."""
        organization: dict[str, Any] = self.tenants.organization(alias)
        typed = {name: [text] for name, text in attributes.items()}
        self.admin.update_organization(organization["id"], organization | {"attributes": typed})

    def token(self, client_id: str, secret: str | None = None, scope: str | None = None) -> AccessToken:
        """An application's token. Raises `TokenRefused`."""
        endpoint = f"{self.identity.keycloak.issuer}/protocol/openid-connect/token"
        with httpx.Client(trust_env=False, timeout=60) as client:
            return request_token(client, endpoint, client_id, secret or self.secrets[client_id], scope)
