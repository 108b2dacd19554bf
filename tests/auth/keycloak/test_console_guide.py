"""docs/console-guide.md, carried out: every step in a real browser, and what came of it in Keycloak.

The screenshots are taken anew into `reports/console`; `make console-guide` puts them into the guide.
"""

import asyncio
import re
import shutil
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from playwright.sync_api import Page, sync_playwright

import auth.keycloak.application_cli
from auth.assembly import build_verifier
from auth.client import TokenRefused
from auth.keycloak.credentials import read_administrator
from auth.keycloak.tenant_administration import TenantAdministration
from auth.tenants import TenantStatus

from .conftest import Keycloak
from .console.administrator import Administrator
from .console.screenshots import Screenshots

pytestmark = [pytest.mark.keycloak, pytest.mark.timeout(900)]

ROOT = Path(__file__).parents[3]
GUIDE = ROOT / "docs" / "console-guide.md"
TENANT, ALIAS, CLIENT = "Site de Gantour", "gantour", "gantour-assistant"


@pytest.fixture(scope="module")
def page() -> Iterator[Page]:
    """Skips, with the reason, where Debian's Chromium is not installed."""
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("chromium is not installed: the console guide is not carried out")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        made = browser.new_page(viewport={"width": 1200, "height": 760}, locale="en-GB")
        made.set_default_timeout(120_000)
        yield made
        browser.close()


def test_every_step_of_the_guide(page: Page, keycloak: Keycloak) -> None:
    settings, admin = keycloak.settings, keycloak.admin()
    tenants = TenantAdministration(admin, settings.defaults)
    screenshots = Screenshots(page, ROOT / "reports" / "console")
    console = Administrator(page, settings.server, settings.realm, screenshots.take)
    operator = read_administrator(settings.admin_file)
    console.log_in(operator.username, operator.password)

    console.create_tenant(TENANT, ALIAS)
    console.set_attribute(TENANT, "mizan.requests_per_minute", "120")
    assert tenants.show(ALIAS).tenant.limits.requests_per_minute == 120
    console.suspend(TENANT)
    assert tenants.show(ALIAS).tenant.status is TenantStatus.SUSPENDED
    console.resume(TENANT)
    assert tenants.show(ALIAS).tenant.status is TenantStatus.ACTIVE

    console.create_client(CLIENT)
    console.set_client_scopes(CLIENT)
    console.limit_scope(CLIENT, "chat", "usage")
    console.give_roles(CLIENT, "chat", "usage")
    console.join_tenant(CLIENT, TENANT)
    identifier = str(admin.get_client_id(CLIENT))
    secret = admin.get_client_secrets(identifier)["value"]
    assert principal_of(keycloak, secret) == (tenants.organization(ALIAS)["id"], {"chat", "usage"})
    # The commands see an application made by hand as one of theirs.
    listed = keycloak.run(auth.keycloak.application_cli.app, "list", ALIAS, "--json")
    assert f'"{CLIENT}"' in listed.stdout

    console.rotate_secret(CLIENT)
    _until(page, lambda: admin.get_client_secrets(identifier)["value"] != secret)
    with pytest.raises(TokenRefused):
        keycloak.token(CLIENT, secret)
    secret = admin.get_client_secrets(identifier)["value"]
    console.disable_client(CLIENT)
    _until(page, lambda: not admin.get_client(identifier)["enabled"])
    console.enable_client(CLIENT)
    _until(page, lambda: admin.get_client(identifier)["enabled"])
    assert keycloak.token(CLIENT, secret).value
    console.delete_client(CLIENT)
    _until(page, lambda: admin.get_client_id(CLIENT) is None)
    console.delete_tenant(TENANT)
    assert not tenants.delete(ALIAS)

    console.create_person("nadia", "a long password", "mizan-administrators")
    person = str(admin.get_user_id("nadia"))
    assert [group["name"] for group in admin.get_user_groups(person)] == ["mizan-administrators"]
    admin.delete_user(person)

    shown = re.findall(r"\]\(console/([\w-]+)\.png\)", GUIDE.read_text(encoding="utf-8"))
    assert sorted(shown) == sorted(set(screenshots.names))


def principal_of(keycloak: Keycloak, secret: str) -> tuple[str, set[str]]:
    """Tenant and scopes that the gateway reads from the application's token."""

    async def verify(token: str) -> tuple[str, set[str]]:
        verifier = build_verifier(keycloak.identity)
        try:
            principal = await verifier.verify([f"Bearer {token}"])
        finally:
            await verifier.close()
        return principal.tenant, set(principal.scopes)

    # Playwright has a loop of its own running in this thread.
    with ThreadPoolExecutor() as threads:
        return threads.submit(asyncio.run, verify(keycloak.token(CLIENT, secret).value)).result()


def _until(page: Page, condition: Callable[[], bool]) -> None:
    for _ in range(120):
        if condition():
            return
        page.wait_for_timeout(250)
    raise AssertionError("Keycloak does not show it")
