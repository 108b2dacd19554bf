"""Bringing a realm to its definition, or listing where it has drifted from it."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from keycloak import KeycloakAdmin
from keycloak.exceptions import KeycloakGetError

from auth.keycloak.bootstrap_people import PeopleBootstrap
from auth.keycloak.credentials import ClientCredentials, UnusableCredentials, read_client
from auth.keycloak.realm import (
    AUDIENCE_SCOPE,
    BASE_SCOPES,
    CLI_SCOPES,
    ORGANIZATION_SCOPE,
    READER_ROLE,
    REALM_MANAGEMENT,
    RealmDefinition,
)
from auth.keycloak.settings import KeycloakSettings
from auth.private_file import write_private


@dataclass(frozen=True, slots=True)
class Drift:
    """One place where the realm differs (or differed) from its definition."""

    subject: str
    problem: str

    def __str__(self) -> str:
        return f"{self.subject}: {self.problem}"


class RealmBootstrap:
    """Compares a realm with its definition and, if `repair` is set, changes what differs.

    Everything the definition does not speak of is left alone. `admin` must be allowed to manage realms.
    """

    def __init__(self, admin: KeycloakAdmin, definition: RealmDefinition, *, repair: bool) -> None:
        self._admin = admin
        self._definition = definition
        self._repair = repair
        self._drifts: list[Drift] = []

    def run(self) -> list[Drift]:
        """All drifts found, in order. Raises `KeycloakError` if the server refuses."""
        self._drifts = []
        if self._realm():
            # The roles live on a client, and scopes refer to both: this order lets each step find the last.
            self._client(self._definition.resource_server)
            self._roles()
            self._audience_scope()
            self._mapper(ORGANIZATION_SCOPE, self._definition.organization_mapper)
            if self._client(self._definition.reader):
                self._reader()
            if self._client(self._definition.cli, CLI_SCOPES):
                PeopleBootstrap(self._admin, self._definition, self._found).run()
        return self._drifts

    def _found(self, subject: str, problem: str) -> bool:
        """Note a drift; say whether to repair it."""
        self._drifts.append(Drift(subject, problem))
        return self._repair

    def _realm(self) -> bool:
        name, fields = self._definition.realm, self._definition.fields
        try:
            realm = self._admin.get_realm(name)
        except KeycloakGetError as error:
            if error.response_code != 404:
                raise
            if not self._found(f"realm {name}", "missing"):
                return False
            self._admin.create_realm({"realm": name} | fields)
            realm = fields
        self._admin.change_current_realm(name)
        if self._differences(f"realm {name}", realm, fields):
            self._admin.update_realm(name, fields)
        return True

    def _differences(self, subject: str, have: Mapping[str, Any], want: Mapping[str, Any]) -> bool:
        """Note every field that differs; say whether to repair."""
        differing = {name: value for name, value in want.items() if not _holds(have.get(name), value)}
        for name, value in differing.items():
            self._found(subject, f"{name} is {have.get(name)!r}, must be {value!r}")
        return bool(differing) and self._repair

    def _client(self, want: dict[str, Any], scopes: Sequence[str] = BASE_SCOPES) -> bool:
        """Say whether the client exists afterwards. `scopes` are the default ones of a new client."""
        client_id = want["clientId"]
        identifier = self._admin.get_client_id(client_id)
        if identifier is None:
            if not self._found(f"client {client_id}", "missing"):
                return False
            self._admin.create_client(
                want | {"defaultClientScopes": list(scopes), "optionalClientScopes": []}
            )
            return True
        client = self._admin.get_client(identifier)
        if self._differences(f"client {client_id}", client, want):
            attributes = client.get("attributes", {}) | want.get("attributes", {})
            self._admin.update_client(identifier, client | want | {"attributes": attributes})
        return True

    def _roles(self) -> None:
        client_id = self._definition.roles_client
        identifier = self._admin.get_client_id(client_id)
        present = {role["name"] for role in self._admin.get_client_roles(identifier)} if identifier else set()
        for name, description in self._definition.roles.items():
            if name not in present and self._found(f"role {client_id}/{name}", "missing"):
                self._admin.create_client_role(identifier, {"name": name, "description": description})

    def _audience_scope(self) -> None:
        want = self._definition.audience_scope
        if self._scope(AUDIENCE_SCOPE) is None:
            if not self._found(f"client scope {AUDIENCE_SCOPE}", "missing"):
                return
            self._admin.create_client_scope(want)
        self._mapper(AUDIENCE_SCOPE, self._definition.audience_mapper)

    def _mapper(self, scope_name: str, want: dict[str, Any]) -> None:
        subject = f"client scope {scope_name}"
        scope = self._scope(scope_name)
        if scope is None:
            self._found(subject, "missing; it is Keycloak's own, and appears when organizations are enabled")
            return
        kind = want["protocolMapper"]
        same = [mapper for mapper in scope.get("protocolMappers", []) if mapper["protocolMapper"] == kind]
        if not same:
            if self._found(subject, f"its {kind} is missing"):
                self._admin.add_mapper_to_client_scope(scope["id"], want)
            return
        mapper = same[0]
        if self._differences(subject, mapper["config"], want["config"]):
            config = mapper["config"] | want["config"]
            self._admin.update_mapper_in_client_scope(scope["id"], mapper["id"], mapper | {"config": config})

    def _reader(self) -> None:
        """The reader's service account and the scope of its tokens hold one role and nothing more."""
        client_id = self._definition.reader_client
        subject = f"client {client_id}"
        identifier = str(self._admin.get_client_id(client_id))
        management = str(self._admin.get_client_id(REALM_MANAGEMENT))
        role = self._admin.get_client_role(management, READER_ROLE)
        user = self._admin.get_client_service_account_user(identifier)["id"]
        held = self._admin.get_client_roles_of_user(user, management)
        if READER_ROLE not in _names(held) and self._found(subject, f"lacks the role {READER_ROLE}"):
            self._admin.assign_client_role(user, management, [role])
        excess = [other for other in held if other["name"] != READER_ROLE]
        if excess and self._found(subject, f"may do more than read: {', '.join(sorted(_names(excess)))}"):
            self._admin.delete_client_roles_of_user(user, management, excess)
        scoped = self._admin.get_client_roles_of_client_scope(identifier, management)
        if READER_ROLE not in _names(scoped) and self._found(subject, f"{READER_ROLE} is not in its scope"):
            self._admin.assign_client_roles_to_client_scope(identifier, management, [role])

    def _scope(self, name: str) -> dict[str, Any] | None:
        scopes: list[dict[str, Any]] = self._admin.get_client_scopes()
        return next((scope for scope in scopes if scope["name"] == name), None)


def _holds(have: Any, want: Any) -> bool:
    """Whether a value is as wanted; of an object, whether the wanted members are."""
    if isinstance(want, dict) and isinstance(have, dict):
        return all(have.get(name) == value for name, value in want.items())
    return bool(have == want)


def _names(roles: Iterable[Mapping[str, Any]]) -> set[str]:
    return {role["name"] for role in roles}


def keep_credentials(admin: KeycloakAdmin, client_id: str, path: Path) -> bool:
    """Write a client's current secret to `path` (mode 0600). Says whether that changed the file."""
    identifier = str(admin.get_client_id(client_id))
    secret = admin.get_client_secrets(identifier)["value"]
    current = ClientCredentials(client_id=client_id, client_secret=secret)
    try:
        if read_client(path) == current:
            return False
    except UnusableCredentials:
        pass
    write_private(path, current.model_dump_json())
    return True


def keep_gateway_credentials(
    admin: KeycloakAdmin, definition: RealmDefinition, settings: KeycloakSettings
) -> None:
    """Leave the files a gateway needs: the reader's credentials, and those that introspect tokens."""
    keep_credentials(admin, definition.reader_client, settings.reader_file)
    keep_credentials(admin, definition.roles_client, settings.resource_server_file)
