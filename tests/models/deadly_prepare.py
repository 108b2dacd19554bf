"""A preparation that kills its own process: `deadly_prepare.py ENTRY CACHE STAGE enter|leave`."""

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from models.catalog import read_entry
from models.prepare import prepare
from models.progress import Silent, Stage
from models.settings import ModelsSettings


class Deadly(Silent):
    """Dies by SIGKILL when the given stage begins or ends."""

    @contextmanager
    def stage(self, name: str, total: int | None = None) -> Iterator[Stage]:
        """Enter the step, dying where told."""
        chosen = name.endswith(sys.argv[3])
        if chosen and sys.argv[4] == "enter":
            os.kill(os.getpid(), signal.SIGKILL)
        with super().stage(name, total) as stage:
            yield stage
        if chosen:
            os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    prepare(read_entry(Path(sys.argv[1])), ModelsSettings(cache_dir=Path(sys.argv[2])), Deadly())
