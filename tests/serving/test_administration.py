"""Routes for administrators: who gets there, and what they read."""

from pathlib import Path

import pytest

from auth.refusals import IssuerUnavailable
from auth.tenant_file import FileTenantDirectory, TenantFile
from auth.tenants import DirectoryReport
from serving.gateway import create_gateway
from serving.services import Services

from .conftest import MakeStack
from .gateways import Stack

TENANTS = "/v1/admin/tenants"


async def test_an_administrator_reads_the_directory(stack: Stack) -> None:
    response = await stack.client("mizan-operator").get(TENANTS)
    assert response.status_code == 200
    body = response.json()
    assert (body["object"], body["source"], body["problem"]) == ("list", "file", None)
    (closed,) = [entry for entry in body["data"] if entry["id"] == "closed"]
    assert closed["status"] == "suspended"
    assert closed["problems"] == []


@pytest.mark.parametrize("application", ["khouribga-assistant", "safi-assistant", "closed-assistant"])
async def test_an_application_does_not(stack: Stack, application: str) -> None:
    response = await stack.client(application).get(TENANTS)
    assert response.status_code == 403
    assert response.json()["error"]["code"] == "insufficient_scope"
    assert 'scope="admin"' in response.headers["www-authenticate"]


async def test_nobody_without_a_token(stack: Stack) -> None:
    response = await stack.client(None).get(TENANTS)
    assert response.status_code == 401
    assert response.headers["www-authenticate"] == 'Bearer realm="mizan"'


async def test_an_operator_struck_off_the_list_is_out_at_once(make_stack: MakeStack, tmp_path: Path) -> None:
    """The token is valid for minutes yet."""
    stack = make_stack()
    client = stack.client("mizan-operator")
    assert (await client.get(TENANTS)).status_code == 200
    before = stack.issuer.tenants._content
    try:
        stack.services.operators._standing._file._content = before.model_copy(update={"operators": ()})  # type: ignore[attr-defined]  # the development issuer's
        response = await client.get(TENANTS)
    finally:
        stack.services.operators._standing._file._content = before  # type: ignore[attr-defined]  # as above
    assert response.status_code == 401
    assert response.json()["error"]["code"] == "revoked_token"


async def test_a_directory_that_is_out_of_date_can_be_looked_at(make_stack: MakeStack) -> None:
    class OutOfDate(FileTenantDirectory):
        def ready(self) -> None:
            raise IssuerUnavailable("the tenants were last read 99999 s ago")

        def report(self) -> DirectoryReport:
            return DirectoryReport("keycloak", (), read_at=1.0, problem="the realm does not exist")

    stack = make_stack()
    directory = OutOfDate(stack.issuer.tenants)
    stack.app = create_gateway(Services(**{**vars(stack.services), "tenants": directory}))
    body = (await stack.client("mizan-operator").get(TENANTS)).json()
    assert body["problem"] == "the realm does not exist"
    assert body["age_seconds"] > 1000


def test_a_broken_edit_of_the_file_is_reported(tmp_path: Path) -> None:
    path = tmp_path / "tenants.yaml"
    path.write_text("tenants: [{id: a, name: A}]", encoding="utf-8")
    file = TenantFile(path)
    path.write_text("tenants: [{id: a}]", encoding="utf-8")
    file._checked_at = float("-inf")
    report = FileTenantDirectory(file).report()
    assert report.problem is None or "name" in report.problem
    assert [entry.alias for entry in report.entries] == ["a"]
    assert file.problem is not None
