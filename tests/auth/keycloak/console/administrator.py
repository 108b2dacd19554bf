"""An administrator at Keycloak's console: every step of docs/console-guide.md, click by click.

The names of buttons, tabs and fields here are those of the guide; where Keycloak changes one, the test fails
and the guide is to be changed with it.
"""

import re
from collections.abc import Callable
from contextlib import suppress

from playwright.sync_api import Locator, Page, Response
from playwright.sync_api import TimeoutError as PageTimeoutError

Shoot = Callable[[str], None]
"""Takes a screenshot under a name."""


class Administrator:
    """Works in one realm, logged in as the first administrator."""

    def __init__(self, page: Page, server: str, realm: str, shoot: Shoot) -> None:
        self._page = page
        self._console = f"{server}/admin/master/console/#/{realm}"
        self._shoot = shoot

    def log_in(self, username: str, password: str) -> None:
        self._page.goto(f"{self._console}/organizations")
        self._page.locator("#username").fill(username)
        self._page.locator("#password").fill(password)
        self._page.locator("#kc-login").click()
        self._page.get_by_role("link", name="Organizations").wait_for()
        self._create_organization().wait_for()
        self._shoot("organizations")

    def create_tenant(self, name: str, alias: str) -> None:
        self._menu("Organizations")
        self._create_organization().click()
        self._page.get_by_test_id("name").fill(name)
        self._page.get_by_test_id("alias").fill(alias)
        self._shoot("create-organization")
        self._button("Save")
        self._said("Organization successfully saved")

    def set_attribute(self, tenant: str, key: str, value: str) -> None:
        self._open_tenant(tenant)
        self._tab("Attributes")
        self._button("Add attributes")
        self._page.get_by_placeholder("Type a key").last.fill(key)
        self._page.get_by_placeholder("Type a value").last.fill(value)
        self._shoot("attributes")
        self._page.get_by_test_id("attributes-save").click()
        self._said("Organization successfully saved")

    def suspend(self, tenant: str) -> None:
        self._open_tenant(tenant)
        self._switch("Enabled")
        self._dialog().get_by_role("button", name="Disable").wait_for()
        self._shoot("suspend")
        self._confirm()
        self._said("Organization successfully saved")

    def resume(self, tenant: str) -> None:
        self._open_tenant(tenant)
        self._switch("Disabled")
        self._said("Organization successfully saved")

    def delete_tenant(self, tenant: str) -> None:
        self._open_tenant(tenant)
        self._action("Delete")
        self._confirm()
        self._said("The organization has been deleted")

    def create_client(self, client_id: str) -> None:
        self._menu("Clients")
        create = self._page.get_by_role("link", name="Create client")
        create.or_(self._page.get_by_role("button", name="Create client")).first.click()
        self._page.get_by_test_id("clientId").fill(client_id)
        self._button("Next")
        authentication = self._page.get_by_test_id("authentication")
        self._page.locator("label.pf-v5-c-switch", has=authentication).click()
        self._page.get_by_test_id("standard").uncheck()
        self._page.get_by_test_id("service-account").check()
        self._shoot("create-client")
        self._button("Next")
        self._button("Save")
        self._said("Client created successfully")

    def set_client_scopes(self, client_id: str) -> None:
        self._open_client(client_id)
        self._tab("Client scopes")
        self._page.get_by_placeholder("Search by name").fill("organization")
        self._page.keyboard.press("Enter")
        row = self._page.get_by_role("row", name="organization").filter(has_text="Optional")
        row.get_by_test_id("cell-dropdown").click()
        self._page.get_by_role("option", name="Default").click()
        self._said("Scope mapping updated")
        self._button("Add client scope")
        dialog = self._dialog()
        dialog.get_by_role("row", name="mizan-audience").get_by_role("checkbox").check()
        self._shoot("add-client-scope")
        dialog.get_by_test_id("add-dropdown").click()
        menu = self._page.get_by_role("menuitem", name="Default")
        menu.or_(self._page.get_by_role("option", name="Default")).last.click()
        self._said("Scope mapping updated")

    def limit_scope(self, client_id: str, *roles: str) -> None:
        self._open_client(client_id)
        self._tab("Client scopes")
        self._page.get_by_role("link", name=f"{client_id}-dedicated").click()
        self._tab("Scope")
        full = self._page.locator("#fullScopeAllowed")
        self._page.locator("label.pf-v5-c-switch", has=full).click()
        self._said("Scope mapping updated")
        self._shoot("full-scope-off")
        self._assign(roles)
        self._said("Scope mapping updated")

    def give_roles(self, client_id: str, *roles: str) -> None:
        self._open_client(client_id)
        self._tab("Service account roles")
        self._assign(roles, shot="assign-roles")
        self._said("Role mapping updated")

    def join_tenant(self, client_id: str, tenant: str) -> None:
        self._open_client(client_id)
        self._tab("Service account roles")
        self._page.get_by_role("link", name=f"service-account-{client_id}").click()
        self._tab("Organizations")
        self._page.get_by_role("button", name="Join organization").first.click()
        dialog = self._dialog()
        dialog.get_by_role("row", name=tenant).get_by_role("checkbox").check()
        self._shoot("join-organization")
        dialog.get_by_role("button", name="Join", exact=True).click()
        self._said("Organization added to the user")

    def rotate_secret(self, client_id: str) -> None:
        self._open_client(client_id)
        self._tab("Credentials")
        for _ in range(3):
            self._page.wait_for_load_state("networkidle")
            self._page.get_by_role("button", name="Regenerate").first.click()
            dialog = self._dialog()
            dialog.wait_for()
            self._shoot("rotate-secret")
            # A page that is still loading its client closes the dialog and asks Keycloak for nothing.
            yes = dialog.get_by_role("button", name="Yes").or_(dialog.get_by_test_id("confirm")).first
            with suppress(PageTimeoutError):
                with self._page.expect_response(_new_secret, timeout=10_000):
                    yes.click()
                return
        raise AssertionError("the console asks for no new secret")

    def disable_client(self, client_id: str) -> None:
        self._open_client(client_id)
        self._switch("Enabled")
        self._shoot("disable-client")
        self._confirm()

    def enable_client(self, client_id: str) -> None:
        self._open_client(client_id)
        self._switch("Disabled")

    def delete_client(self, client_id: str) -> None:
        self._open_client(client_id)
        self._action("Delete")
        self._confirm()
        self._page.get_by_role("heading", name="Clients", exact=True).wait_for()

    def create_person(self, username: str, password: str, group: str) -> None:
        self._menu("Users")
        create = self._page.get_by_role("button", name="Create new user")
        create.or_(self._page.get_by_role("button", name="Add user")).or_(
            self._page.get_by_role("link", name="Add user")
        ).first.click()
        self._page.get_by_test_id("username").fill(username)
        self._page.get_by_test_id("email").fill(f"{username}@example.ma")
        self._page.get_by_test_id("firstName").fill(username.capitalize())
        self._page.get_by_test_id("lastName").fill("Bennani")
        self._button("Join Groups")
        dialog = self._dialog()
        dialog.get_by_role("checkbox", name=group).or_(
            dialog.locator("li", has_text=group).get_by_role("checkbox")
        ).first.check()
        self._shoot("person-group")
        dialog.get_by_role("button", name="Join").click()
        self._button("Create")
        self._said("The user has been created")
        self._tab("Credentials")
        self._button("Set password")
        dialog = self._dialog()
        dialog.get_by_test_id("passwordField").fill(password)
        dialog.get_by_test_id("passwordConfirmationField").fill(password)
        self._shoot("person-password")
        dialog.get_by_role("button", name="Save").click()
        self._confirm()
        self._said("The password has been set successfully")

    def _create_organization(self) -> Locator:
        """A button in an empty realm, and a link where there are organizations."""
        button = self._page.get_by_role("button", name="Create organization")
        return button.or_(self._page.get_by_role("link", name="Create organization")).first

    def _assign(self, roles: tuple[str, ...], shot: str | None = None) -> None:
        self._page.get_by_role("button", name="Assign role").first.click()
        self._page.get_by_role("menuitem", name="Client roles").click()
        dialog = self._dialog()
        dialog.get_by_placeholder("Search").fill("mizan")
        self._page.keyboard.press("Enter")
        dialog.get_by_text("account", exact=True).first.wait_for(state="detached")
        for role in roles:
            row = dialog.get_by_role("row", name=re.compile(rf"^\s*{role}\s+mizan\b"))
            row.or_(dialog.get_by_role("row", name=role)).first.get_by_role("checkbox").check()
        if shot is not None:
            self._shoot(shot)
        dialog.get_by_role("button", name="Assign").click()

    def _open_tenant(self, name: str) -> None:
        self._menu("Organizations")
        # What is disabled says so in its link.
        self._page.get_by_role("link", name=name).first.click()
        self._page.get_by_role("heading", name=name).first.wait_for()

    def _open_client(self, client_id: str) -> None:
        self._menu("Clients")
        self._page.get_by_role("link", name=client_id).first.click()
        self._page.get_by_role("heading", name=client_id).first.wait_for()

    def _menu(self, name: str) -> None:
        self._page.get_by_role("link", name=name, exact=True).first.click()

    def _tab(self, name: str) -> None:
        self._page.get_by_role("tab", name=name, exact=True).first.click()

    def _button(self, name: str) -> None:
        self._page.get_by_role("button", name=name, exact=True).click()

    def _switch(self, label: str) -> None:
        self._page.locator("label.pf-v5-c-switch", has_text=label).first.click()

    def _action(self, name: str) -> None:
        self._page.get_by_test_id("action-dropdown").click()
        self._page.get_by_role("menuitem", name=name).click()

    def _confirm(self) -> None:
        self._page.get_by_role("dialog").get_by_test_id("confirm").click()

    def _dialog(self) -> Locator:
        return self._page.get_by_role("dialog")

    def _said(self, text: str) -> None:
        """Wait for Keycloak's word, and put it away so that it hides nothing."""
        alert = self._page.locator(".pf-v5-c-alert", has_text=text).first
        alert.wait_for()
        alert.get_by_role("button", name=re.compile("Close")).click()


def _new_secret(response: Response) -> bool:
    return response.request.method == "POST" and response.url.endswith("/client-secret")
