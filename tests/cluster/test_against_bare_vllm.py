"""The comparison with bare vLLM, as far as it needs no server."""

import subprocess
import sys

import pytest

from cluster import against_bare_vllm


def commands_of(monkeypatch: pytest.MonkeyPatch, status: int, *arguments: str) -> list[list[str]]:
    """What is run where every command ends with `status`, which `main` must return."""
    commands: list[list[str]] = []

    def end(command: list[str], **_: object) -> "subprocess.CompletedProcess[bytes]":
        commands.append(command)
        return subprocess.CompletedProcess(command, status)

    monkeypatch.setattr(subprocess, "run", end)
    monkeypatch.setattr(sys, "argv", ["against_bare_vllm", *arguments])
    assert against_bare_vllm.main() == status
    return commands


def test_what_cannot_be_run_is_found_before_anything_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    [asked] = commands_of(monkeypatch, 2, "--", "--requests", "8")
    assert asked[1] == "bench"
    assert asked[-3:] == ["--requests", "8", "--dry-run"]


def test_help_starts_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    [asked] = commands_of(monkeypatch, 0, "--help")
    assert asked[1] == "bench"
