"""Shadow judges in Ray Serve: each an application of its own, so that none can fail the stack's."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ray import serve
from ray.serve.api import RunTarget
from ray.serve.handle import DeploymentHandle

from auth.tenants import TenantDirectory
from models.prepared import PreparedModel
from serving.handles import RemoteJudge
from serving.judging.calibration import load_calibration
from serving.judging.gathering import Answer, GatheringScorer
from serving.judging.judge import TemplateJudge
from serving.judging.prompt import Question
from serving.judging.shadow import Shadow
from serving.judging.templates.base import Template
from serving.judging.templates.families import template_of
from serving.settings import ShadowSettings
from serving.shadows.disagreements import Disagreements
from serving.shadows.listener import ShadowListener


@dataclass(frozen=True)
class ShadowIdentity:
    """A candidate as the gateway asks it."""

    settings: ShadowSettings
    id: str
    digest: str
    template: Template


def application_name(model: str) -> str:
    return f"mizan-shadow-{model}"


def identity_of(settings: ShadowSettings, prepared: PreparedModel) -> ShadowIdentity:
    """How a prepared model is asked as a shadow."""
    entry = prepared.entry
    template = template_of(entry.family or "", entry.lineage, load_calibration(prepared.path))
    return ShadowIdentity(settings, entry.id, prepared.digest, template)


def deploy(applications: dict[str, serve.Application]) -> None:
    """Hand the applications to Ray Serve, by name, and do not wait for them."""
    serve.run_many(
        [
            RunTarget(target=application, name=name, route_prefix=None)
            for name, application in applications.items()
        ],
        wait_for_ingress_deployment_creation=False,
        wait_for_applications_running=False,
    )


class _LateHandle:
    """The batch call of a shadow that may not be there yet, or any more."""

    def __init__(self, model: str) -> None:
        self._application = application_name(model)
        self._judge: RemoteJudge | None = None

    async def __call__(self, questions: list[Question]) -> list[Answer]:
        if self._judge is None:
            handle: DeploymentHandle[Any] = serve.get_deployment_handle(
                "Judge", app_name=self._application, _check_exists=False
            )
            self._judge = RemoteJudge(handle)
        return await self._judge(questions)


def open_shadows(
    identities: tuple[ShadowIdentity, ...], state: Path, tenants: TenantDirectory
) -> list[Shadow]:
    """The shadows as a gateway replica asks them: a scorer of their own each, apart from the judge's."""

    def retention_days(tenant: str) -> int:
        return tenants.get(tenant).limits.content_retention_days

    listener = ShadowListener(Disagreements(state), retention_days)
    return [
        Shadow(
            TemplateJudge(
                one.template,
                GatheringScorer(_LateHandle(one.id), one.settings.checks_in_flight),
                one.id,
                one.digest,
            ),
            listener,
            sample=one.settings.sample,
            in_flight=one.settings.checks_in_flight,
            timeout=one.settings.timeout,
        )
        for one in identities
    ]
