"""The tenants file: checks, reloading, and what stays when an edit is no use."""

from pathlib import Path

import pytest
from structlog.testing import capture_logs

from auth.refusals import Forbidden
from auth.tenant_file import (
    DEVELOPMENT_TENANTS,
    FileTenantDirectory,
    InvalidTenants,
    TenantFile,
    read_tenants,
)
from auth.tenants import SuspendedTenant, Tenant, UnknownTenant

from .clocks import FakeClock

ONE = "tenants: [{id: safi, name: Safi, status: %s, models: [smol], policy: strict}]\n"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    file = tmp_path / "tenants.yaml"
    file.write_text(ONE % "active", encoding="utf-8")
    return file


def test_shipped_file() -> None:
    content = read_tenants(DEVELOPMENT_TENANTS)
    assert [tenant.id for tenant in content.tenants] == ["khouribga", "safi"]
    found = content.application("khouribga-assistant")
    assert found is not None
    assert found[1] is content.tenants[0]
    operator = content.application("mizan-operator")
    assert operator is not None
    assert operator[1] is None
    assert content.application("nobody") is None


def test_lookup(path: Path) -> None:
    directory = FileTenantDirectory(TenantFile(path))
    tenant = directory.get("safi")
    assert tenant == Tenant(id="safi", name="Safi", models=("smol",), policy="strict")
    assert tenant.allows_model("smol")
    assert not tenant.allows_model("mistral")
    assert list(directory.tenants()) == [tenant]
    for unknown in ("", "SAFI", "khouribga"):
        with pytest.raises(UnknownTenant):
            directory.get(unknown)


def test_suspension_is_felt_within_seconds(path: Path, clock: FakeClock) -> None:
    directory = FileTenantDirectory(TenantFile(path, clock))
    directory.get("safi")
    path.write_text(ONE % "suspended", encoding="utf-8")
    clock.tick(1)
    with pytest.raises(SuspendedTenant) as refusal:
        directory.get("safi")
    assert isinstance(refusal.value, Forbidden)
    assert refusal.value.reason == "suspended_tenant"
    assert [tenant.id for tenant in directory.tenants()] == ["safi"]


@pytest.mark.parametrize("edit", ["tenants: [", "", "tenants: [{id: safi}]", None], ids=str)
def test_bad_edit_keeps_the_last_valid_content(edit: str | None, path: Path, clock: FakeClock) -> None:
    directory = FileTenantDirectory(TenantFile(path, clock))
    if edit is None:
        path.unlink()
    else:
        path.write_text(edit, encoding="utf-8")
    with capture_logs() as logs:
        for _ in range(3):
            clock.tick(1)
            assert directory.get("safi").name == "Safi"
    assert [entry["event"] for entry in logs] == ["tenants_file_invalid"]
    path.write_text(ONE.replace("Safi", "Asfi") % "active", encoding="utf-8")
    clock.tick(1)
    assert directory.get("safi").name == "Asfi"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("tenants: [{id: Safi Nord, name: x}]", r"tenants\.0\.id"),
        ("tenants: [{id: safi, name: x, modles: []}]", r"tenants\.0\.modles"),
        ("tenants: [{id: safi, name: x, status: paused}]", r"tenants\.0\.status"),
        ("tenants: [{id: safi, name: x}, {id: safi, name: y}]", "the id safi is used twice"),
        ("tenants: [{id: safi, id: khouribga, name: x}]", "given twice"),
        (
            "tenants: [{id: a, name: x, applications: [{id: app, scopes: [chat]}]}]\n"
            "operators: [{id: app, scopes: [admin]}]",
            "the id app is used twice",
        ),
        (
            "tenants: [{id: a, name: x, applications: [{id: app, scopes: [admin]}]}]",
            "app may have the scopes",
        ),
        ("tenants: []\noperators: [{id: op, scopes: [chat]}]", "op may have the scopes"),
        ("tenants: !!python/object/apply:os.getcwd []", "could not determine a constructor"),
        ("tenants: " + "[" * 3000, "nested more than 64 levels deep"),
    ],
)
def test_invalid_files_name_the_problem(content: str, message: str, path: Path) -> None:
    path.write_text(content, encoding="utf-8")
    with pytest.raises(InvalidTenants, match=message):
        TenantFile(path)


def test_missing_file_is_refused_at_the_start(tmp_path: Path) -> None:
    with pytest.raises(InvalidTenants, match="No such file"):
        TenantFile(tmp_path / "nothing.yaml")
