"""Where Keycloak comes from, and that it is built once and never half."""

import tarfile
from pathlib import Path

import pytest

from cluster.keycloak import distribution
from cluster.keycloak.distribution import Source, built_server, choose_source
from cluster.keycloak.errors import BuildFailed, MissingPart, UnexpectedArchive

KC = '#!/bin/sh\necho built >> "$(dirname "$0")/../builds"\nexit ${KC_STATUS:-0}\n'


def unpacked(folder: Path) -> Path:
    (folder / "bin").mkdir(parents=True)
    (folder / "lib").mkdir()
    (folder / "version.txt").write_text("Keycloak - Version 26.7.4\n", encoding="utf-8")
    program = folder / "bin" / "kc.sh"
    program.write_text(KC, encoding="utf-8")
    program.chmod(0o755)
    return folder


def archive(folder: Path) -> Path:
    server = unpacked(folder / "keycloak-26.7.4")
    path = folder / "keycloak.tar.gz"
    with tarfile.open(path, "w:gz") as file:
        file.add(server, "keycloak-26.7.4")
    return path


def build(source: Source, cache: Path, **environment: str) -> Path:
    return built_server(
        source, cache, Path("/java"), {"PATH": "/usr/bin:/bin"} | environment, lambda step: None
    )


def test_home_comes_before_archive_before_maven(tmp_path: Path) -> None:
    home = unpacked(tmp_path / "server")
    file = archive(tmp_path)
    maven = tmp_path / "mvn"
    maven.touch(0o755)
    environment = {"KEYCLOAK_HOME": str(home), "KEYCLOAK_DIST": str(file), "PATH": str(tmp_path)}
    assert choose_source(environment).kind == "home"
    del environment["KEYCLOAK_HOME"]
    assert choose_source(environment).kind == "archive"
    del environment["KEYCLOAK_DIST"]
    assert choose_source(environment) == Source("maven", None, distribution.VERSION)


@pytest.mark.parametrize(
    ("environment", "message"),
    [
        ({"KEYCLOAK_HOME": "/nowhere"}, r"KEYCLOAK_HOME is /nowhere, where there is no bin/kc\.sh"),
        ({"KEYCLOAK_DIST": "/nowhere"}, "KEYCLOAK_DIST is /nowhere, which is not a file"),
        (
            {"PATH": ""},
            "set KEYCLOAK_HOME to an unpacked server or KEYCLOAK_DIST to its archive, or put Maven, docker",
        ),
    ],
)
def test_what_is_missing_is_named(environment: dict[str, str], message: str) -> None:
    with pytest.raises(MissingPart, match=message):
        choose_source(environment)


@pytest.mark.parametrize("kind", ["home", "archive"])
def test_built_once(kind: str, tmp_path: Path) -> None:
    path = unpacked(tmp_path / "server") if kind == "home" else archive(tmp_path)
    variable = "KEYCLOAK_HOME" if kind == "home" else "KEYCLOAK_DIST"
    source = choose_source({variable: str(path)})
    homes = {build(source, tmp_path / "cache") for _ in range(3)}
    (home,) = homes
    assert (home / "builds").read_text(encoding="utf-8") == "built\n"
    # The operator's own server is copied, not changed.
    assert not (tmp_path / "server" / "builds").exists()


def test_failed_or_interrupted_build_is_done_again(tmp_path: Path) -> None:
    source = choose_source({"KEYCLOAK_DIST": str(archive(tmp_path))})
    with pytest.raises(BuildFailed, match="status 3"):
        build(source, tmp_path / "cache", KC_STATUS="3")
    home = build(source, tmp_path / "cache")
    assert (home / "builds").read_text(encoding="utf-8") == "built\n"


def test_broken_archive_is_named(tmp_path: Path) -> None:
    path = tmp_path / "keycloak.tar.gz"
    path.write_bytes(b"not an archive")
    with pytest.raises(BuildFailed, match="is not a Keycloak archive"):
        build(choose_source({"KEYCLOAK_DIST": str(path)}), tmp_path / "cache")


def maven(folder: Path, script: str) -> dict[str, str]:
    program = folder / "mvn"
    program.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
    program.chmod(0o755)
    return {"PATH": f"{folder}:/usr/bin:/bin"}


def test_another_archive_than_the_pinned_one_is_refused(tmp_path: Path) -> None:
    target = (
        tmp_path / "cache" / "keycloak" / "downloads" / f"keycloak-quarkus-dist-{distribution.VERSION}.tar.gz"
    )
    environment = maven(tmp_path, f"echo other > {target}")
    with pytest.raises(UnexpectedArchive, match="not 04823c33"):
        build(choose_source(environment), tmp_path / "cache", **environment)
    assert not target.exists()


def test_maven_that_cannot_fetch(tmp_path: Path) -> None:
    environment = maven(tmp_path, "echo 'no route to host'; exit 1")
    with pytest.raises(MissingPart, match=r"set KEYCLOAK_DIST to its archive instead.*no route to host"):
        build(choose_source(environment), tmp_path / "cache", **environment)


ENGINE = """#!/bin/sh
echo "$@" >> {folder}/calls
case $1 in
  cp) cp -r {folder}/server "$3";;
  create) exit {status};;
esac
"""


def engine(folder: Path, status: int = 0) -> dict[str, str]:
    """A container engine whose one image holds the server in `folder`."""
    program = folder / "podman"
    program.write_text(ENGINE.format(folder=folder, status=status), encoding="utf-8")
    program.chmod(0o755)
    return {"PATH": str(folder)}


def test_without_maven_the_server_comes_out_of_an_image(tmp_path: Path) -> None:
    unpacked(tmp_path / "server")
    source = choose_source(engine(tmp_path))
    assert source.kind == "image"
    home = build(source, tmp_path / "cache")
    assert (home / "builds").read_text(encoding="utf-8") == "built\n"
    calls = (tmp_path / "calls").read_text(encoding="utf-8")
    assert f"keycloak/keycloak:{distribution.VERSION}" in calls
    assert [line.split()[0] for line in calls.splitlines()] == ["create", "cp", "rm"]


def test_an_image_of_another_version_is_refused(tmp_path: Path) -> None:
    server = unpacked(tmp_path / "server")
    (server / "version.txt").write_text("Keycloak - Version 1.0.0", encoding="utf-8")
    with pytest.raises(UnexpectedArchive, match="another version"):
        build(choose_source(engine(tmp_path)), tmp_path / "cache")


def test_an_engine_that_cannot_fetch_says_what_to_do(tmp_path: Path) -> None:
    unpacked(tmp_path / "server")
    with pytest.raises(MissingPart, match="set KEYCLOAK_DIST to its archive"):
        build(choose_source(engine(tmp_path, status=1)), tmp_path / "cache")
