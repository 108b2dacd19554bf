"""The realm as a file for Keycloak's `--import-realm`: what `bootstrap` makes, without ids and secrets."""

import json
from pathlib import Path
from typing import Any, Final

from keycloak import KeycloakAdmin

from auth.keycloak.realm import ADMINISTRATION_SCOPE, GROUPS, RealmDefinition

REALM_FILE: Final = Path(__file__).with_name("realm.json")

# Naming client scopes in a file keeps Keycloak from making its own, so all of them are in it.
_SCOPES: Final = ("clientScopes", "defaultDefaultClientScopes", "defaultOptionalClientScopes")
# The last two are filled in by an import, and by nothing else.
_VOLATILE: Final = frozenset(
    {
        "id",
        "containerId",
        "secret",
        "createdTimestamp",
        "notBefore",
        "client.secret.creation.time",
        "realm_client",
        "userinfo.token.claim",
        "post.logout.redirect.uris",
    }
)


def realm_file(admin: KeycloakAdmin, definition: RealmDefinition) -> str:
    """Export the bootstrapped realm as JSON. Keycloak makes keys and secrets of its own when it imports."""
    path = f"/admin/realms/{definition.realm}/partial-export?exportClients=true&exportGroupsAndRoles=true"
    export: dict[str, Any] = admin.connection.raw_post(path, data="{}").json()
    own = (definition.roles_client, definition.reader_client, definition.cli_client)
    content = {
        "realm": definition.realm,
        **{name: export[name] for name in definition.fields},
        "roles": {"client": {definition.roles_client: export["roles"]["client"][definition.roles_client]}},
        **{name: export[name] for name in _SCOPES},
        "clients": [client for client in export["clients"] if client["clientId"] in own],
        "clientScopeMappings": {
            owner: kept
            for owner, mappings in export["clientScopeMappings"].items()
            if (kept := [mapping for mapping in mappings if _ours(mapping, own)])
        },
        "groups": [group for group in export["groups"] if group["name"] in GROUPS],
        "users": [user for user in export["users"] if user.get("serviceAccountClientId") in own],
    }
    return json.dumps(_settled(content), indent=1, ensure_ascii=False, sort_keys=True) + "\n"


def _ours(mapping: dict[str, Any], own: tuple[str, ...]) -> bool:
    return mapping.get("client") in own or mapping.get("clientScope") == ADMINISTRATION_SCOPE


def _settled(value: Any) -> Any:
    """Without what differs from server to server, and with lists in an order of their own."""
    if isinstance(value, dict):
        return {name: _settled(member) for name, member in value.items() if name not in _VOLATILE}
    if isinstance(value, list):
        return sorted(
            (_settled(member) for member in value), key=lambda member: json.dumps(member, sort_keys=True)
        )
    return value
