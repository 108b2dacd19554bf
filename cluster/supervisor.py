"""`python -m cluster.supervisor`: the process that holds a stack together.

It starts the development issuer (if set), Ray (if none is given) and the Ray Serve application, reports how
far it is, and stops all of it on SIGTERM or SIGINT.
"""

import argparse
import asyncio
import os
import shutil
import signal
import sys
import time
from pathlib import Path
from typing import Any

import httpx
import psutil
import structlog

from cluster.instance import Instance, Phase, Report
from models.catalog import load_catalog
from models.independence import assert_independent
from models.locate import locate
from serving.judging.policy import load_policies
from serving.logs import configure_logs
from serving.settings import Settings, load

LOG = structlog.get_logger("mizan.supervisor")


class Supervisor:
    """One stack, from start to stop."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._instance = Instance(settings)
        self._issuer: asyncio.subprocess.Process | None = None
        self._stop = asyncio.Event()
        self._started = psutil.Process().create_time()

    async def run(self) -> int:
        """Start, stay until told to stop, stop. Returns the exit status."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop.set)
        try:
            await self._start()
            await self._stop.wait()
        except Exception as error:
            LOG.exception("the stack failed")
            self._say(Phase.FAILED, str(error) or type(error).__name__)
            return 1
        else:
            self._say(Phase.STOPPING)
            return 0
        finally:
            await self._end()

    async def _start(self) -> None:
        settings = self._settings
        self._say(Phase.PREPARING)
        policies = load_policies(settings.policies)
        catalog = load_catalog(settings.models)
        native = locate(catalog.get(settings.native.model), settings.models)
        judge = locate(catalog.get(settings.judge.model), settings.models)
        assert_independent(native.entry, judge.entry, (native.manifest, judge.manifest))
        shadows = [locate(catalog.get(shadow.model), settings.models) for shadow in settings.shadows]
        self._say(Phase.RAY)
        side_by_side = [asyncio.to_thread(self._start_ray)]
        if settings.identity.embedded.enabled and settings.identity.issuer is None:
            side_by_side.append(self._start_issuer())
        await asyncio.gather(*side_by_side)
        self._say(Phase.MODELS)
        await asyncio.to_thread(self._deploy, policies, native, judge, shadows)
        await self._wait_ready()
        await asyncio.to_thread(self._deploy_shadows, shadows)
        self._say(Phase.READY)

    def _start_ray(self) -> None:
        import ray  # noqa: PLC0415  a second to import, and not before the cheap checks

        settings = self._settings.ray
        if settings.address is not None:
            ray.init(address=settings.address, log_to_driver=False, configure_logging=False)
            return
        ray.init(
            num_cpus=settings.cpus or max(4, os.cpu_count() or 4),
            object_store_memory=settings.object_store_bytes,
            include_dashboard=False,
            log_to_driver=False,
            configure_logging=False,
            _temp_dir=str(self._instance.ray_folder),
            _node_ip_address="127.0.0.1",
        )

    def _deploy(self, policies: Any, native: Any, judge: Any, shadows: Any) -> None:
        from ray import serve  # noqa: PLC0415  as above
        from ray.serve.config import HTTPOptions  # noqa: PLC0415  as above

        from serving.app import APPLICATION, build_app  # noqa: PLC0415  as above

        gateway = self._settings.gateway
        serve.start(http_options=HTTPOptions(host=gateway.host, port=gateway.port))
        serve.run(
            build_app(self._settings, policies, native, judge, shadows),
            name=APPLICATION,
            route_prefix="/",
            blocking=False,
        )

    def _deploy_shadows(self, shadows: Any) -> None:
        """After the stack is ready, and without waiting: a shadow must not hold anything up."""
        from serving.app import build_shadows  # noqa: PLC0415  imports Ray, as above
        from serving.shadows.deployment import deploy  # noqa: PLC0415  as above

        if not shadows:
            return
        try:
            deploy(build_shadows(self._settings, shadows))
        except Exception:
            LOG.exception("the shadow judges could not be deployed")

    async def _wait_ready(self) -> None:
        deadline = time.monotonic() + self._settings.ray.start_timeout
        async with httpx.AsyncClient(base_url=self._instance.url, trust_env=False, timeout=15) as client:
            while True:
                try:
                    response = await client.get("/health/ready")
                    if response.status_code == 200:
                        return
                    problem = response.text[:500]
                except httpx.HTTPError as error:
                    problem = type(error).__name__
                if time.monotonic() > deadline:
                    raise TimeoutError(
                        f"the stack is not ready after {self._settings.ray.start_timeout:.0f} s: {problem}"
                    )
                await asyncio.sleep(0.25)

    async def _start_issuer(self) -> None:
        identity = self._settings.identity
        embedded = identity.embedded
        command = [
            "-m", "auth.issuer",
            "--state-dir", str(embedded.state_dir),
            "--port", str(embedded.port),
            "--audience", identity.audience,
            "--token-lifetime", str(embedded.token_lifetime_seconds),
            "--key-grace", str(embedded.key_grace_seconds),
        ]  # fmt: skip
        if identity.tenants_file is not None:
            command += ["--tenants-file", str(identity.tenants_file)]
        if self._settings.mode == "production":
            command.append("--production")
        self._issuer = await asyncio.create_subprocess_exec(sys.executable, *command)
        async with httpx.AsyncClient(trust_env=False, timeout=2) as client:
            deadline = time.monotonic() + self._settings.ray.start_timeout
            while time.monotonic() < deadline:
                if self._issuer.returncode is not None:
                    raise RuntimeError(f"the development issuer did not start; see {self._instance.log}")
                try:
                    response = await client.get(f"{embedded.url}/.well-known/openid-configuration")
                    if response.status_code == 200:
                        return
                except httpx.HTTPError:
                    pass
                await asyncio.sleep(0.1)
        raise TimeoutError("the development issuer does not answer")

    async def _end(self) -> None:
        await asyncio.to_thread(self._end_ray)
        if self._issuer is not None and self._issuer.returncode is None:
            self._issuer.terminate()
            await self._issuer.wait()

    def _end_ray(self) -> None:
        if "ray" not in sys.modules:
            return
        import ray  # noqa: PLC0415  only where it was started
        from ray import serve  # noqa: PLC0415  as above

        from serving.app import APPLICATION  # noqa: PLC0415  as above
        from serving.shadows.deployment import application_name  # noqa: PLC0415  as above

        shared = self._settings.ray.address is not None
        if ray.is_initialized():
            if shared:
                for name in (
                    APPLICATION,
                    *(application_name(shadow.model) for shadow in self._settings.shadows),
                ):
                    serve.delete(name)
            else:
                serve.shutdown()
            ray.shutdown()
        if not shared:
            shutil.rmtree(self._instance.ray_folder, ignore_errors=True)

    def _say(self, phase: Phase, detail: str = "") -> None:
        LOG.info("phase", phase=phase.value, detail=detail)
        self._instance.say(Report(os.getpid(), self._started, phase, detail))


def main() -> None:
    """Run the supervisor with the settings of a file and the environment."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--config", type=Path)
    arguments = parser.parse_args()
    configure_logs()
    sys.exit(asyncio.run(Supervisor(load(arguments.config)).run()))


if __name__ == "__main__":
    main()
