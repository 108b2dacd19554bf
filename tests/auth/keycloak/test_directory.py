"""The directory against a scripted Keycloak: pages, outages, restarts and broken answers."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from auth.assembly import open_directory
from auth.keycloak.credentials import ClientCredentials
from auth.keycloak.directory import PROBLEMS, KeycloakTenantDirectory
from auth.keycloak.organizations import UnreadableOrganizations
from auth.keycloak.settings import KeycloakSettings
from auth.private_file import write_private
from auth.refusals import IssuerUnavailable
from auth.settings import EmbeddedIssuerSettings, IdentitySettings
from auth.tenants import SuspendedTenant, UnknownTenant
from tests.auth.clocks import FakeClock

from .scripted import ScriptedKeycloak, organization

MakeDirectory = Callable[[], KeycloakTenantDirectory]


@pytest.fixture
def server() -> ScriptedKeycloak:
    return ScriptedKeycloak()


@pytest.fixture
def settings(tmp_path: Path) -> KeycloakSettings:
    made = KeycloakSettings(state_dir=tmp_path, max_age_seconds=3600)
    credentials = ClientCredentials(client_id="mizan-reader", client_secret="secret")
    write_private(made.reader_file, credentials.model_dump_json())
    return made


@pytest.fixture
def make(server: ScriptedKeycloak, settings: KeycloakSettings, clock: FakeClock) -> Iterator[MakeDirectory]:
    directories: list[KeycloakTenantDirectory] = []

    def build() -> KeycloakTenantDirectory:
        directories.append(KeycloakTenantDirectory(settings, clock=clock, transport=server.transport()))
        return directories[-1]

    yield build
    for directory in directories:
        directory.close()


def test_a_thousand_organizations(make: MakeDirectory, server: ScriptedKeycloak) -> None:
    server.organizations = [organization(number) for number in range(1000)]
    directory = make()
    directory.refresh()
    assert len(directory.tenants()) == 1000
    assert server.pages == 11
    assert server.token_requests == 1
    assert directory.get("id-0999").name == "tenant-0999"
    assert directory.get("tenant-0999").id == "id-0999"


def test_unknown_and_suspended(make: MakeDirectory, server: ScriptedKeycloak) -> None:
    server.organizations = [organization(1, enabled=False)]
    directory = make()
    directory.refresh()
    with pytest.raises(UnknownTenant):
        directory.get("id-0002")
    with pytest.raises(UnknownTenant):
        directory.get("")
    with pytest.raises(SuspendedTenant):
        directory.get("id-0001")


def test_deleted_tenant_is_unknown_after_the_next_reading(
    make: MakeDirectory, server: ScriptedKeycloak
) -> None:
    directory = make()
    directory.refresh()
    del server.organizations[0]
    directory.refresh()
    with pytest.raises(UnknownTenant):
        directory.get("id-0001")
    directory.get("id-0002")


def test_tenant_missed_between_two_pages_is_not_lost(make: MakeDirectory, server: ScriptedKeycloak) -> None:
    directory = make()
    directory.refresh()
    server.hidden_once = {"id-0002"}
    directory.refresh()
    directory.get("id-0002")


def test_an_id_wins_over_an_alias_that_imitates_it(make: MakeDirectory, server: ScriptedKeycloak) -> None:
    server.organizations.append(organization(3, alias="id-0001"))
    directory = make()
    directory.refresh()
    assert directory.get("id-0001").name == "tenant-0001"


def test_outage_stops_nobody_even_over_a_restart(
    make: MakeDirectory, server: ScriptedKeycloak, clock: FakeClock
) -> None:
    first = make()
    first.refresh()
    server.down = True
    with pytest.raises(UnreadableOrganizations):
        first.refresh()
    assert first.get("id-0001").name == "tenant-0001"
    restarted = make()
    clock.tick(3599)
    assert restarted.get("id-0001") == first.get("id-0001")
    clock.tick(2)
    for directory in (first, restarted):
        with pytest.raises(IssuerUnavailable) as refusal:
            directory.get("id-0001")
        assert refusal.value.status == 503
    server.down = False
    restarted.refresh()
    restarted.get("id-0001")


def test_nothing_known_yet_is_503_and_says_why(make: MakeDirectory, server: ScriptedKeycloak) -> None:
    server.down = True
    directory = make()
    with pytest.raises(UnreadableOrganizations):
        directory.refresh()
    with pytest.raises(IssuerUnavailable) as refusal:
        directory.ready()
    assert "connection refused" in refusal.value.detail
    server.down = False
    directory.refresh()
    directory.ready()


@pytest.mark.parametrize(
    ("status", "message"),
    [
        (403, "mizan-reader lacks the role view-organizations"),
        (404, "does not exist or has organizations switched off"),
        (500, "answered 500"),
    ],
)
def test_refusals_name_what_to_put_right(
    status: int, message: str, make: MakeDirectory, server: ScriptedKeycloak
) -> None:
    server.status = status
    with pytest.raises(UnreadableOrganizations, match=message):
        make().refresh()


def test_broken_answers_keep_what_is_known(make: MakeDirectory, server: ScriptedKeycloak) -> None:
    directory = make()
    directory.refresh()
    server.organizations = [{"alias": "without an id"}]
    with pytest.raises(UnreadableOrganizations, match="cannot be read"):
        directory.refresh()
    directory.get("id-0001")


def test_replaced_secret_is_taken_from_the_file(
    make: MakeDirectory, server: ScriptedKeycloak, settings: KeycloakSettings
) -> None:
    directory = make()
    directory.refresh()
    server.secret = "replaced"
    server.status = 401
    with pytest.raises(UnreadableOrganizations):
        directory.refresh()
    server.status = 200
    replaced = ClientCredentials(client_id="mizan-reader", client_secret="replaced")
    write_private(settings.reader_file, replaced.model_dump_json())
    directory.refresh()


def test_missing_credentials_are_named(make: MakeDirectory, settings: KeycloakSettings) -> None:
    settings.reader_file.unlink()
    with pytest.raises(UnreadableOrganizations, match=r"reader\.json does not exist"):
        make().refresh()


def test_nonsense_is_logged_once_and_counted(make: MakeDirectory, server: ScriptedKeycloak) -> None:
    directory = make()
    directory.refresh()
    server.organizations[0]["attributes"] = {"mizan.requests_per_minute": ["lots"]}
    with capture_logs() as logs:
        directory.refresh()
        directory.refresh()
    assert [entry["event"] for entry in logs].count("tenant_attributes_invalid") == 1
    assert PROBLEMS._value.get() == 1
    assert directory.entries()[0].problems == (
        "mizan.requests_per_minute must be a whole number, not 'lots'",
    )
    # The valid value survives a restart of the gateway, because nonsense is no reason to forget it.
    assert make().entries() == directory.entries()


def test_another_realms_or_broken_snapshot_is_ignored(
    make: MakeDirectory, settings: KeycloakSettings, clock: FakeClock, server: ScriptedKeycloak
) -> None:
    make().refresh()
    moved = settings.model_copy(update={"server": "http://127.0.0.1:1"})
    other = KeycloakTenantDirectory(moved, clock=clock, transport=server.transport())
    with pytest.raises(IssuerUnavailable):
        other.ready()
    other.close()
    settings.snapshot_file.write_text("{", encoding="utf-8")
    with pytest.raises(IssuerUnavailable):
        make().ready()


def test_settings_choose_the_directory(settings: KeycloakSettings) -> None:
    embedded = EmbeddedIssuerSettings(enabled=False)
    identity = IdentitySettings(tenants="keycloak", claims="keycloak", embedded=embedded, keycloak=settings)
    directory = open_directory(identity)
    assert isinstance(directory, KeycloakTenantDirectory)
    directory.close()
