"""The compose file's Keycloak, run natively: its settings and script, a real PostgreSQL, certificates.

What a container engine adds (images, networks, mounts) is not run here.
"""

import os
import pwd
import shutil
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx
import pytest
import yaml

from auth.assembly import build_verifier, open_directory
from auth.client import request_token
from auth.keycloak.application_administration import ApplicationAdministration
from auth.keycloak.bootstrap import RealmBootstrap, keep_gateway_credentials
from auth.keycloak.connection import KeycloakUnreachable, connect
from auth.keycloak.credentials import Administrator
from auth.keycloak.realm import RealmDefinition
from auth.keycloak.realm_file import REALM_FILE
from auth.keycloak.tenant_administration import TenantAdministration
from auth.private_file import write_private
from auth.refusals import IssuerUnavailable
from auth.settings import IdentitySettings
from auth.tls import tls_context
from cluster.free_ports import free_ports
from cluster.keycloak.distribution import BUILD_OPTIONS, built_server, choose_source
from cluster.keycloak.errors import MissingPart
from cluster.keycloak.java import find_java

from .commands import begin, run

pytestmark = [pytest.mark.keycloak, pytest.mark.timeout(900)]

COMPOSE = Path(__file__).parents[3] / "cluster" / "compose"
OPTIONS = tuple(option.replace("dev-file", "postgres") for option in BUILD_OPTIONS)


@dataclass
class Installation:
    """The two servers and what was made for them."""

    folder: Path
    port: int
    database_port: int
    programs: Path
    account: list[str]

    @property
    def ca_file(self) -> Path:
        return self.folder / "certificates" / "ca.crt"

    def secret(self, name: str) -> str:
        return (self.folder / "secrets" / name).read_text(encoding="utf-8")

    def sql(self, statement: str) -> str:
        command = [
            str(self.programs / "psql"),
            "-h",
            str(self.folder / "database"),
            "-p",
            str(self.database_port),
        ]
        options = ["-d", "postgres", "-U", "postgres", "-AtXqc", statement]
        return run([*self.account, *command, *options])

    @property
    def identity(self) -> IdentitySettings:
        return IdentitySettings.model_validate(
            {
                "claims": "keycloak",
                "tenants": "keycloak",
                "embedded": {"enabled": False},
                "http_timeout_seconds": 60,
                "ca_file": self.ca_file,
                "keycloak": {
                    "server": f"https://localhost:{self.port}",
                    "state_dir": self.folder / "state",
                    "poll_seconds": 0.5,
                },
            }
        )


@pytest.fixture(scope="module")
def installation() -> Iterator[Installation]:
    """Skips, with the reason, where PostgreSQL, Java or Keycloak cannot be had."""
    programs = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
    if not programs:
        pytest.skip("PostgreSQL is not installed")
    cache = Path(os.environ.get("MIZAN_CACHE", "~/.cache/mizan")).expanduser()
    try:
        java = find_java(os.environ)
        source = choose_source(os.environ)
        home = built_server(source, cache, java, os.environ, lambda step: None, build_options=OPTIONS)
    except MissingPart as reason:
        pytest.skip(str(reason))
    # Not below pytest's own folder: that is closed to PostgreSQL's account, which cannot be root.
    with TemporaryDirectory(prefix="mizan-compose-", ignore_cleanup_errors=True) as folder:
        yield from _install(Path(folder), programs[-1], home, java)


def _install(folder: Path, programs: Path, home: Path, java: Path) -> Iterator[Installation]:
    port, management_port, database_port = free_ports(3)
    user = pwd.getpwnam("postgres") if os.getuid() == 0 else pwd.getpwuid(os.getuid())
    account = ["runuser", "-u", user.pw_name, "--"] if os.getuid() == 0 else []
    environment = {
        **os.environ,
        "KEYCLOAK_UID": str(os.getuid()),
        "POSTGRES_UID": str(user.pw_uid),
    }
    command = [str(COMPOSE / "make-certificates"), str(folder / "certificates"), "localhost", "localhost"]
    run(command, environment)
    run([str(COMPOSE / "make-secrets"), str(folder / "secrets")], environment)
    made = Installation(folder, port, database_port, programs, account)
    _open_to(folder, user.pw_uid)
    with _postgres(made):
        made.sql(f"CREATE ROLE keycloak LOGIN PASSWORD '{made.secret('database_password')}'")
        made.sql("CREATE DATABASE keycloak OWNER keycloak")
        server = _keycloak(made, home, java, management_port)
        try:
            _await(server, made)
            yield made
        finally:
            server.terminate()
            server.wait(60)


def _open_to(folder: Path, uid: int) -> None:
    """Let PostgreSQL's account through to its own folders."""
    (folder / "certificates").chmod(0o711)
    (folder / "database").mkdir()
    os.chown(folder / "database", uid, -1)
    folder.chmod(0o711)


class _postgres:  # noqa: N801 - reads as what it is in a with statement
    """PostgreSQL with the compose file's command line, on loopback."""

    def __init__(self, made: Installation) -> None:
        self._made = made

    def __enter__(self) -> None:
        made = self._made
        data = made.folder / "database"
        initdb = [str(made.programs / "initdb"), "-D", str(data), "-A", "trust", "-U", "postgres"]
        run([*made.account, *initdb, "-E", "UTF8"])
        compose = yaml.safe_load((COMPOSE / "compose.yaml").read_text(encoding="utf-8"))
        shutil.copy2(COMPOSE / "pg_hba.conf", made.folder / "pg_hba.conf")
        (made.folder / "pg_hba.conf").chmod(0o644)
        places = {
            "/run/certificates": str(made.folder / "certificates" / "postgres"),
            "/etc/mizan": str(made.folder),
        }
        _, *options = [_placed(word, places) for word in compose["services"]["postgres"]["command"]]
        here = ["-D", str(data), "-p", str(made.database_port), "-k", str(data), "-h", "localhost"]
        self._log = (made.folder / "postgres.log").open("wb")
        program = str(made.programs / "postgres")
        self._process = begin([*made.account, program, *here, *options], self._log)
        deadline = time.monotonic() + 120
        while True:
            try:
                made.sql("SELECT 1")
                return
            except AssertionError:
                assert self._process.poll() is None, (made.folder / "postgres.log").read_text()
                assert time.monotonic() < deadline
                time.sleep(0.2)

    def __exit__(self, *_: object) -> None:
        pid = (self._made.folder / "database" / "postmaster.pid").read_text().split()[0]
        os.kill(int(pid), 2)
        self._process.wait(60)
        self._log.close()


def _placed(text: str, places: dict[str, str]) -> str:
    for there, here in places.items():
        text = text.replace(there, here)
    return text


def _keycloak(made: Installation, home: Path, java: Path, management_port: int) -> "subprocess.Popen[bytes]":
    """Keycloak with the compose file's environment, entry point and realm file; only places differ."""
    folder = made.folder / "server"
    (folder / "bin").mkdir(parents=True)
    shutil.copy2(home / "bin" / "kc.sh", folder / "bin")
    shutil.copytree(home / "conf", folder / "conf")
    for name in ("lib", "providers", "themes"):
        (folder / name).symlink_to(home / name, target_is_directory=True)
    (folder / "data" / "import").mkdir(parents=True)
    shutil.copy2(REALM_FILE, folder / "data" / "import")
    service = yaml.safe_load((COMPOSE / "compose.yaml").read_text(encoding="utf-8"))["services"]["keycloak"]
    places = {
        "/run/certificates": str(made.folder / "certificates" / "keycloak"),
        "//postgres:5432/": f"//localhost:{made.database_port}/",
        "https://${SSO_HOST:?the name that people and gateways use}": f"https://localhost:{made.port}",
        "${ADMIN_USERNAME:-mizan-admin}": "mizan-admin",
        "8443": str(made.port),
    }
    settings = {name: _placed(str(value), places) for name, value in service["environment"].items()}
    assert not any("${" in value for value in settings.values())
    # Built before, which saves half a minute: these two are build options.
    assert {settings.pop(name) for name in ("KC_HEALTH_ENABLED", "KC_METRICS_ENABLED")} == {"true"}
    assert settings.pop("KC_DB") == "postgres"
    own = {
        "JAVA_HOME": str(java),
        "JAVA_OPTS_KC_HEAP": "-Xms64m -Xmx384m",
        "JAVA_OPTS_APPEND": "-XX:TieredStopAtLevel=1",
        "KEYCLOAK_HOME": str(folder),
        "DATABASE_PASSWORD_FILE": str(made.folder / "secrets" / "database_password"),
        "ADMINISTRATOR_PASSWORD_FILE": str(made.folder / "secrets" / "administrator_password"),
        "KC_HTTP_MANAGEMENT_PORT": str(management_port),
        "KC_HTTP_HOST": "127.0.0.1",
        "KC_HTTP_MANAGEMENT_HOST": "127.0.0.1",
    }
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("KC_", "JAVA_OPTS"))}
    command = [str(COMPOSE / "start-keycloak"), *service["command"], "--optimized"]
    with (made.folder / "keycloak.log").open("wb") as log:
        return begin(command, log, clean | settings | own)


def _await(server: "subprocess.Popen[bytes]", made: Installation) -> None:
    deadline = time.monotonic() + 600
    while True:
        try:
            with httpx.Client(verify=tls_context(made.ca_file), trust_env=False, timeout=10) as client:
                if client.get(f"https://localhost:{made.port}/realms/mizan").status_code == 200:
                    return
        except httpx.HTTPError:
            pass
        log = (made.folder / "keycloak.log").read_text(encoding="utf-8")
        assert server.poll() is None, log[-3000:]
        assert time.monotonic() < deadline, log[-3000:]
        time.sleep(0.5)


@pytest.fixture(scope="module")
def operator(installation: Installation) -> Administrator:
    return Administrator(username="mizan-admin", password=installation.secret("administrator_password"))


def test_every_connection_to_the_database_is_encrypted(installation: Installation) -> None:
    rows = installation.sql(
        "SELECT DISTINCT ssl, version FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) "
        "WHERE usename = 'keycloak'"
    )
    assert rows == "t|TLSv1.3"


def test_without_tls_neither_server_talks(installation: Installation) -> None:
    with pytest.raises(httpx.HTTPError):
        httpx.get(f"http://localhost:{installation.port}/realms/mizan", trust_env=False)
    program = str(installation.programs / "psql")
    address = (
        f"host=localhost port={installation.database_port} user=keycloak dbname=keycloak sslmode=disable"
    )
    environment = {**os.environ, "PGPASSWORD": installation.secret("database_password")}
    refusal = run([program, address, "-c", "SELECT 1"], environment, fails=True)
    assert "no pg_hba.conf entry" in refusal
    assert "no encryption" in refusal


async def test_the_gateway_works_with_the_authority_in_ca_file(
    installation: Installation, operator: Administrator
) -> None:
    identity = installation.identity
    settings = identity.keycloak
    admin = connect(settings, identity.ca_file, operator)
    definition = RealmDefinition("mizan", "mizan", "mizan", "mizan-reader", "mizan-cli")
    assert RealmBootstrap(admin, definition, repair=False).run() == []
    keep_gateway_credentials(admin, definition, settings)
    tenants = TenantAdministration(admin, settings.defaults)
    tenants.create("benguerir", None, {"requests_per_minute": "7"})
    _, secret = ApplicationAdministration(admin, tenants, "mizan").create("b-app", "benguerir", ["chat"])
    directory, verifier = open_directory(identity), build_verifier(identity)
    try:
        with httpx.Client(verify=tls_context(installation.ca_file), trust_env=False, timeout=30) as client:
            endpoint = f"{settings.issuer}/protocol/openid-connect/token"
            token = request_token(client, endpoint, "b-app", str(secret))
        principal = await verifier.verify([f"Bearer {token.value}"])
        deadline = time.monotonic() + 60
        while True:
            try:
                assert directory.get(principal.tenant).limits.requests_per_minute == 7
                break
            except IssuerUnavailable:
                assert time.monotonic() < deadline
                time.sleep(0.2)  # noqa: ASYNC251 - nothing else runs on this loop
    finally:
        directory.close()
        await verifier.close()


def test_another_authority_is_not_trusted(
    installation: Installation, operator: Administrator, tmp_path: Path
) -> None:
    stranger = tmp_path / "certificates"
    command = [str(COMPOSE / "make-certificates"), str(stranger), "localhost"]
    run(command)
    with pytest.raises(KeycloakUnreachable):
        connect(installation.identity.keycloak, stranger / "ca.crt", operator)
    identity = installation.identity.model_copy(update={"ca_file": stranger / "ca.crt"})
    write_private(identity.keycloak.reader_file, '{"client_id": "x", "client_secret": "y"}')
    directory = open_directory(identity)
    try:
        deadline = time.monotonic() + 60
        while "CERTIFICATE_VERIFY_FAILED" not in (directory.report().problem or ""):
            assert time.monotonic() < deadline, directory.report()
            time.sleep(0.2)
    finally:
        directory.close()
