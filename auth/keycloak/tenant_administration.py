"""Creating and changing tenants: the organizations of the realm, by Keycloak's administration interface."""

from collections.abc import Mapping
from typing import Any, Final

from keycloak import KeycloakAdmin
from keycloak.exceptions import KeycloakError

from auth.keycloak.attributes import PREFIX, OrganizationTenant, check, read_organization, to_attributes
from auth.keycloak.settings import TenantDefaults

_PAGE: Final = 100


class AdministrationError(Exception):
    """What was asked for cannot be done; the message is one sentence for the operator."""


class UnknownOrganization(AdministrationError):  # noqa: N818 - says what is the case
    """No organization has that alias or id."""


class TenantAdministration:
    """Tenants by alias or id. Every command can be repeated: the second time it changes nothing."""

    def __init__(
        self,
        admin: KeycloakAdmin,
        defaults: TenantDefaults,
        known: Mapping[str, OrganizationTenant] | None = None,
    ) -> None:
        """`known` is what the gateway last knew, by id: where nonsense was typed, it is what is in force."""
        self._admin = admin
        self._defaults = defaults
        self._known = known or {}

    def all(self) -> list[OrganizationTenant]:
        """Every tenant, ordered by alias."""
        found: list[OrganizationTenant] = []
        while True:
            query = {"first": len(found), "max": _PAGE, "briefRepresentation": "false"}
            page = self._admin.get_organizations(query)
            found.extend(self._read(entry) for entry in page)
            if len(page) < _PAGE:
                return sorted(found, key=lambda entry: entry.alias)

    def show(self, reference: str) -> OrganizationTenant:
        """One tenant. Raises `UnknownOrganization`."""
        return self._read(self.organization(reference))

    def create(
        self, alias: str, name: str | None, changes: Mapping[str, str]
    ) -> tuple[OrganizationTenant, bool]:
        """The tenant with that alias and whether it had to be made. An existing one keeps what it has."""
        _check(changes)
        existing = self._by_alias(alias)
        if existing is not None:
            return self._read(existing), False
        if (
            not alias
            or any(character.isspace() or character in "/\\" for character in alias)
            or len(alias) > 100
        ):
            raise AdministrationError(
                f"the alias {alias!r:.120} must have 1 to 100 characters, no blanks and no slashes"
            )
        payload = {
            "name": name or alias,
            "alias": alias,
            "enabled": True,
            "attributes": to_attributes(changes),
        }
        self._admin.create_organization(payload)
        return self.show(alias), True

    def update(self, reference: str, name: str | None, changes: Mapping[str, str]) -> OrganizationTenant:
        """Set attributes by name; an empty text removes one, so that the default applies."""
        _check(changes)
        organization = self.organization(reference)
        fields: dict[str, Any] = {"name": name} if name else {}
        if changes:
            attributes = dict(organization.get("attributes") or {})
            for changed in changes:
                attributes.pop(PREFIX + changed, None)
            fields["attributes"] = attributes | to_attributes(changes)
        return self._put(organization, fields)

    def set_enabled(self, reference: str, enabled: bool) -> tuple[OrganizationTenant, bool]:
        """Suspend or resume. Also says whether that changed anything."""
        organization = self.organization(reference)
        if organization.get("enabled", True) == enabled:
            return self._read(organization), False
        return self._put(organization, {"enabled": enabled}), True

    def delete(self, reference: str) -> bool:
        """Delete a tenant; its applications stay, without a tenant. Says whether there was one."""
        try:
            organization = self.organization(reference)
        except UnknownOrganization:
            return False
        self._admin.delete_organization(organization["id"])
        return True

    def organization(self, reference: str) -> dict[str, Any]:
        """Keycloak's own representation, with attributes. Raises `UnknownOrganization`."""
        found = self._by_alias(reference)
        if found is not None:
            return found
        try:
            return dict(self._admin.get_organization(reference))
        except KeycloakError as error:
            if error.response_code not in (400, 404):
                raise
            raise UnknownOrganization(f"there is no tenant {reference!r:.120}") from error

    def _by_alias(self, alias: str) -> dict[str, Any] | None:
        first = 0
        while True:
            # Keycloak searches names and domains only, so the alias is looked for here.
            query = {"first": first, "max": _PAGE, "briefRepresentation": "false"}
            page: list[dict[str, Any]] = self._admin.get_organizations(query)
            for entry in page:
                if entry["alias"] == alias:
                    return entry
            if len(page) < _PAGE:
                return None
            first += _PAGE

    def _put(self, organization: dict[str, Any], changes: dict[str, Any]) -> OrganizationTenant:
        # Keycloak keeps the attributes if none are sent: a suspension then undoes nobody else's edit.
        kept = {name: value for name, value in organization.items() if name != "attributes"}
        self._admin.update_organization(organization["id"], kept | changes)
        return self._read(self._admin.get_organization(organization["id"]))

    def _read(self, organization: Mapping[str, Any]) -> OrganizationTenant:
        return read_organization(organization, self._defaults, self._known.get(organization["id"]))


def _check(changes: Mapping[str, str]) -> None:
    for name, text in changes.items():
        if text:
            try:
                check(name, text)
            except ValueError as error:
                raise AdministrationError(f"{name} {error}") from error
