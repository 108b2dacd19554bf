"""The comparison with bare vLLM, as far as it needs no server."""

import subprocess
import sys

import pytest

from cluster import against_bare_vllm


def test_what_cannot_be_run_is_found_before_anything_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    commands: list[list[str]] = []

    def refuse(command: list[str], **_: object) -> "subprocess.CompletedProcess[bytes]":
        commands.append(command)
        return subprocess.CompletedProcess(command, 2)

    monkeypatch.setattr(subprocess, "run", refuse)
    monkeypatch.setattr(sys, "argv", ["against_bare_vllm", "--", "--requests", "8"])
    assert against_bare_vllm.main() == 2
    [asked] = commands
    assert asked[1] == "bench"
    assert asked[-3:] == ["--requests", "8", "--dry-run"]


def test_help_starts_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    commands: list[list[str]] = []

    def answer(command: list[str], **_: object) -> "subprocess.CompletedProcess[bytes]":
        commands.append(command)
        return subprocess.CompletedProcess(command, 0)

    monkeypatch.setattr(subprocess, "run", answer)
    monkeypatch.setattr(sys, "argv", ["against_bare_vllm", "--help"])
    assert against_bare_vllm.main() == 0
    assert [command[1] for command in commands] == ["bench"]
