"""The part of a realm that people use: the command line's rights, and groups of administrators."""

import json
from collections.abc import Callable
from typing import Any

from keycloak import KeycloakAdmin

from auth.keycloak.realm import (
    ADMINISTRATION_SCOPE,
    ADMINISTRATOR_ROLES,
    CLI_SCOPES,
    GROUPS,
    REALM_MANAGEMENT,
    RealmDefinition,
)


class PeopleBootstrap:
    """Compares and, where `found` says so for a subject and its problem, repairs. The clients must exist."""

    def __init__(
        self, admin: KeycloakAdmin, definition: RealmDefinition, found: Callable[[str, str], bool]
    ) -> None:
        self._admin = admin
        self._definition = definition
        self._found = found
        self._cli = str(admin.get_client_id(definition.cli_client))
        self._management = str(admin.get_client_id(REALM_MANAGEMENT))
        self._resource_server = str(admin.get_client_id(definition.roles_client))

    def run(self) -> None:
        """Raises `KeycloakError` if the server refuses."""
        self._default_scopes()
        self._administration_scope()
        self._roles_in_scope()
        for group, (role, management_roles) in GROUPS.items():
            self._group(group, self._resource_server, (role,))
            self._group(group, self._management, management_roles)

    def _default_scopes(self) -> None:
        present = {scope["name"] for scope in self._admin.get_client_default_client_scopes(self._cli)}
        optional = {scope["name"] for scope in self._admin.get_client_optional_client_scopes(self._cli)}
        for name in CLI_SCOPES:
            scope = self._admin.get_client_scope_by_name(name)
            if name in present or scope is None:
                continue
            if self._found(f"client {self._definition.cli_client}", f"{name} is not a default scope"):
                if name in optional:
                    # Keycloak says yes and does nothing while a scope is still an optional one.
                    self._admin.delete_client_optional_client_scope(self._cli, scope["id"])
                self._admin.add_client_default_client_scope(self._cli, scope["id"], {})

    def _administration_scope(self) -> None:
        subject = f"client scope {ADMINISTRATION_SCOPE}"
        if self._admin.get_client_scope_by_name(ADMINISTRATION_SCOPE) is None:
            if not self._found(subject, "missing"):
                return
            self._admin.create_client_scope(self._definition.administration_scope)
        scope = self._admin.get_client_scope_by_name(ADMINISTRATION_SCOPE)
        identifier = scope["id"] if scope else ""
        path = (
            f"/admin/realms/{self._definition.realm}/client-scopes/{identifier}"
            f"/scope-mappings/clients/{self._management}"
        )
        mapped = {role["name"] for role in self._admin.connection.raw_get(path).json()}
        missing = [name for name in ADMINISTRATOR_ROLES if name not in mapped]
        if missing and self._found(subject, f"lacks the roles {', '.join(missing)}"):
            roles = [self._role(self._management, name) for name in missing]
            self._admin.connection.raw_post(path, data=json.dumps(roles)).raise_for_status()
        optional = self._admin.get_client_optional_client_scopes(self._cli)
        if ADMINISTRATION_SCOPE not in {entry["name"] for entry in optional} and self._found(
            f"client {self._definition.cli_client}", f"{ADMINISTRATION_SCOPE} is not an optional scope"
        ):
            self._admin.add_client_optional_client_scope(self._cli, identifier, {})

    def _roles_in_scope(self) -> None:
        scoped = self._admin.get_client_roles_of_client_scope(self._cli, self._resource_server)
        missing = [name for name in self._definition.roles if name not in {role["name"] for role in scoped}]
        subject = f"client {self._definition.cli_client}"
        if missing and self._found(subject, f"{', '.join(missing)} not in its scope"):
            roles = [self._role(self._resource_server, name) for name in missing]
            self._admin.assign_client_roles_to_client_scope(self._cli, self._resource_server, roles)
        # Whatever of realm-management is in the client's own scope is in every token, asked for or not.
        excess = self._admin.get_client_roles_of_client_scope(self._cli, self._management)
        names = ", ".join(sorted(role["name"] for role in excess))
        if excess and self._found(subject, f"has roles of {REALM_MANAGEMENT} in its scope: {names}"):
            self._admin.delete_client_roles_of_client_scope(self._cli, self._management, excess)

    def _group(self, name: str, client: str, roles: tuple[str, ...]) -> None:
        group = self._find_group(name)
        if group is None:
            if not self._found(f"group {name}", "missing"):
                return
            self._admin.create_group({"name": name})
            group = self._find_group(name) or {}
        held = {role["name"] for role in self._admin.get_group_client_roles(group["id"], client)}
        missing = [role for role in roles if role not in held]
        if missing and self._found(f"group {name}", f"lacks the roles {', '.join(missing)}"):
            wanted = [self._role(client, role) for role in missing]
            self._admin.assign_group_client_roles(group["id"], client, wanted)
        excess = sorted(held - set(roles))
        if excess and self._found(f"group {name}", f"gives more than it should: {', '.join(excess)}"):
            unwanted = [self._role(client, role) for role in excess]
            self._admin.delete_group_client_roles(group["id"], client, unwanted)

    def _find_group(self, name: str) -> dict[str, Any] | None:
        found: list[dict[str, Any]] = self._admin.get_groups({"search": name, "exact": "true"})
        return next((group for group in found if group["name"] == name), None)

    def _role(self, client: str, name: str) -> dict[str, Any]:
        return dict(self._admin.get_client_role(client, name))
