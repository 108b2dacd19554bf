"""Facts of the machine the client ran on. Nothing that names the machine or its user."""

import os
import platform
from importlib.metadata import PackageNotFoundError, version

import psutil
from pydantic import BaseModel, ConfigDict, Field


class MachineFacts(BaseModel):
    """Where the load came from; for loopback targets also where it went."""

    model_config = ConfigDict(frozen=True)
    cores: int = Field(description="Processor cores this process may use.")
    cores_total: int = Field(description="Processor cores of the machine.")
    processor: str = Field(description="Architecture.")
    memory_bytes: int = Field(description="Memory of the machine.")
    system: str = Field(description="Kernel and its release.")
    load_1m: float = Field(
        description="Load average over the minute before the run: others use the machine too."
    )
    python: str = Field(description="Python of the client.")
    packages: dict[str, str] = Field(description="Versions of what the client stands on.")


def machine_facts() -> MachineFacts:
    """Reads them now."""
    packages: dict[str, str] = {}
    for name in ("mizan", "httpx", "httpcore", "h11", "numpy"):
        try:
            packages[name] = version(name)
        except PackageNotFoundError:
            packages[name] = "not installed"
    return MachineFacts(
        cores=len(os.sched_getaffinity(0)),
        cores_total=os.cpu_count() or 1,
        processor=platform.machine(),
        memory_bytes=psutil.virtual_memory().total,
        system=f"{platform.system()} {platform.release()}",
        load_1m=os.getloadavg()[0],
        python=platform.python_version(),
        packages=packages,
    )
