"""What one stack on this machine remembers between commands: who it is, where its logs are, how far it is."""

import hashlib
import json
import os
import tempfile
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path

from serving.settings import Settings

MARK_VARIABLE = "MIZAN_STACK"
"""Every process of a stack carries it, so that a killed stack can be cleaned without touching any other."""


class Phase(StrEnum):
    """How far a start has come."""

    PREPARING = "preparing models"
    RAY = "starting Ray"
    MODELS = "loading both models"
    READY = "ready"
    STOPPING = "stopping"
    FAILED = "failed"


@dataclass(frozen=True)
class Report:
    """What the supervisor last said. `started` is the process's start time, which tells reused ids apart."""

    pid: int
    started: float
    phase: Phase
    detail: str = ""


@dataclass(frozen=True)
class Instance:
    """The folders and files of one stack."""

    settings: Settings

    @property
    def folder(self) -> Path:
        return self.settings.state

    @property
    def log(self) -> Path:
        return self.folder / "stack.log"

    @property
    def metrics(self) -> Path:
        """Folder that every process of the stack writes its metrics into."""
        return self.folder / "metrics"

    @property
    def ray_token(self) -> Path:
        """File with the token that a local Ray asks for."""
        return self.folder / "ray-token"

    @property
    def ray_folder(self) -> Path:
        """Ray's sockets live here; a Unix socket's path may have 107 characters, so it is short."""
        return Path(tempfile.gettempdir()) / f"mizan-{os.getuid()}-{self.mark[:12]}"

    @property
    def mark(self) -> str:
        """Unique per state folder, the same at every start."""
        return hashlib.sha256(str(self.folder.absolute()).encode()).hexdigest()[:24]

    @property
    def url(self) -> str:
        return self.settings.gateway.url

    def make_folders(self) -> None:
        """Create the state folder, for its owner only."""
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)

    def say(self, report: Report) -> None:
        """Record a report. Atomic: a reader sees the old or the new one."""
        temporary = self._report_file.with_suffix(f".{os.getpid()}")
        temporary.write_text(json.dumps(asdict(report)), encoding="utf-8")
        temporary.replace(self._report_file)

    def report(self) -> Report | None:
        """The last report, of a supervisor that may be gone."""
        try:
            fields = json.loads(self._report_file.read_text(encoding="utf-8"))
            return Report(**{**fields, "phase": Phase(fields["phase"])})
        except (OSError, ValueError, TypeError, KeyError):
            return None

    def forget(self) -> None:
        self._report_file.unlink(missing_ok=True)

    @property
    def _report_file(self) -> Path:
        return self.folder / "supervisor.json"
