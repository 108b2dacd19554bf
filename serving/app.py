"""Builds the Ray Serve application: gateway, native engine and judge engine."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import structlog
from fastapi import FastAPI
from ray import serve
from ray.serve.config import AutoscalingConfig
from ray.serve.handle import DeploymentHandle

from auth.assembly import build_operator_guard, build_verifier, open_directory
from models.entry import ModelEntry
from models.prepared import PreparedModel
from serving.engine_environment import engine_environment
from serving.entrance import Entrance
from serving.gateway import create_gateway
from serving.handles import RemoteEngine, RemoteJudge
from serving.judgements.assembly import build_judgements
from serving.judging.calibration import load_calibration
from serving.judging.gathering import GatheringScorer
from serving.judging.judge import TemplateJudge
from serving.judging.policy import Policy
from serving.judging.shadow import ShadowedJudge
from serving.judging.templates.base import Template
from serving.judging.templates.coverage import gaps
from serving.judging.templates.families import template_of
from serving.limits.assembly import build_limiter
from serving.logs import configure_logs
from serving.node_address import listen_on_node
from serving.observed import ObservedEngine, ObservedJudge
from serving.overload.guard import GuardedJudge
from serving.quarantine.assembly import build_quarantine
from serving.readiness import Readiness
from serving.replicas import EngineReplica, EngineSpec
from serving.services import Services
from serving.settings import EngineSettings, Settings
from serving.shadows.deployment import ShadowIdentity, application_name, identity_of, open_shadows
from serving.telemetry import start_tracing

LOG = structlog.get_logger(__name__)
APPLICATION = "mizan"


@dataclass(frozen=True)
class JudgeIdentity:
    """What verdicts say about the judge: catalog id and digest of its weights; and how it is asked."""

    id: str
    digest: str
    template: Template
    shadows: tuple[ShadowIdentity, ...] = ()


class Engine(EngineReplica):
    """A replica whose constructor loads the model."""

    async def __init__(self, spec: EngineSpec) -> None:  # type: ignore[misc]  # Ray Serve awaits constructors
        super().__init__(spec)
        listen_on_node()
        await self.start()

    def __del__(self) -> None:
        self.stop()


class Gateway:
    """The ingress. It is built when both engines have told their facts."""

    async def __init__(  # type: ignore[misc]  # Ray Serve awaits constructors
        self,
        settings: Settings,
        policies: dict[str, Policy],
        identity: JudgeIdentity,
        native: DeploymentHandle[Any],
        judge: DeploymentHandle[Any],
    ) -> None:
        configure_logs()
        listen_on_node()
        start_tracing(settings.telemetry)
        engine, remote_judge = RemoteEngine(native), RemoteJudge(judge)
        facts, judge_facts = await engine.facts(), await remote_judge.facts()
        scorer = GatheringScorer(remote_judge, settings.judge.calls_in_flight)
        guarded = GuardedJudge(
            TemplateJudge(identity.template, scorer, identity.id, identity.digest), settings.overload
        )
        verifier, tenants = build_verifier(settings.identity), open_directory(settings.identity)
        quarantine = build_quarantine(settings.quarantine, settings.redis, settings.state)
        limiter = build_limiter(
            settings.limits, settings.redis, settings.gateway.replicas, settings.gateway.request_timeout
        )

        async def tenants_ready() -> None:
            tenants.ready()

        self._services = Services(
            settings=settings.gateway,
            verifier=verifier,
            operators=build_operator_guard(settings.identity, verifier),
            tenants=tenants,
            policies=policies,
            engine=ObservedEngine(engine, settings.native.model),
            judge=ShadowedJudge(
                ObservedJudge(guarded), open_shadows(identity.shadows, settings.state, tenants)
            ),
            entrance=Entrance(
                tenants=tenants,
                quarantine=quarantine,
                judge=guarded,
                limiter=limiter,
                context_length=facts.context_length,
                bytes_per_token=settings.limits.prompt_bytes_per_token,
            ),
            judgements=build_judgements(settings.judgements, settings.redis, settings.state),
            model=settings.native.model,
            context_length=facts.context_length,
            reserved_tokens=tuple(sorted({*facts.reserved_tokens, *judge_facts.reserved_tokens})),
            accepts_tools=facts.accepts_tools,
            ready=Readiness(
                {
                    "native model": engine.check_ready,
                    "judge model": remote_judge.check_ready,
                    "identity provider": verifier.ready,
                    "tenant directory": tenants_ready,
                    "quarantine": quarantine.ready,
                }
            ),
        )

    def __serve_build_asgi_app__(self) -> FastAPI:
        return create_gateway(self._services)


def build_app(
    settings: Settings,
    policies: dict[str, Policy],
    native: PreparedModel,
    judge: PreparedModel,
    shadows: Sequence[PreparedModel] = (),
) -> serve.Application:
    """The whole stack as one Ray Serve application, to be run with `serve.run`.

    `shadows` are those of the settings, in their order; they are deployed apart, see `build_shadows`.
    """
    template = template_of(judge.entry.family or "", judge.entry.lineage, load_calibration(judge.path))
    for policy in policies.values():
        for gap in gaps(policy, template):
            LOG.warning("policy", policy=policy.id, judge=judge.entry.id, gap=gap)
    native_handle = _engine("Native", settings.native, native, frontend=_frontend(native.entry))
    judge_handle = _engine("Judge", settings.judge, judge, labels=template.labels())
    gateway: Any = serve.deployment(
        name="Gateway",
        num_replicas=settings.gateway.replicas,
        max_ongoing_requests=settings.gateway.max_ongoing_requests,
        max_queued_requests=settings.gateway.max_queued_requests,
        ray_actor_options={"num_cpus": 0.1},
        graceful_shutdown_timeout_s=10,
    )(serve.ingress()(Gateway))
    beside = tuple(map(identity_of, settings.shadows, shadows))
    identity = JudgeIdentity(judge.entry.id, judge.digest, template, beside)
    application: serve.Application = gateway.bind(settings, policies, identity, native_handle, judge_handle)
    return application


def build_shadows(settings: Settings, prepared: Sequence[PreparedModel]) -> dict[str, serve.Application]:
    """An application for each shadow judge, by name."""
    return {
        application_name(model.entry.id): _engine(
            "Judge", shadow, model, labels=identity_of(shadow, model).template.labels()
        )
        for shadow, model in zip(settings.shadows, prepared, strict=True)
    }


def _frontend(entry: ModelEntry) -> dict[str, Any]:
    """What vLLM's chat layer must know of a model beyond the engine's arguments."""
    frontend: dict[str, Any] = {}
    if entry.tool_call_parser is not None:
        frontend |= {"tool_call_parser": entry.tool_call_parser, "enable_auto_tool_choice": True}
    if entry.chat_template is not None:
        frontend["chat_template"] = entry.chat_template
    return frontend


def _engine(
    name: str,
    settings: EngineSettings,
    prepared: PreparedModel,
    labels: tuple[str, ...] = (),
    frontend: dict[str, Any] | None = None,
) -> serve.Application:
    resources = prepared.resources(settings.accelerator)
    cpus = settings.cpus or resources.cpus
    arguments = {**prepared.engine_args(settings.accelerator), **settings.engine_args}
    if prepared.entry.reasoning_parser is not None:
        arguments["reasoning_parser"] = prepared.entry.reasoning_parser
    if settings.accelerator == "cpu" and int(arguments.get("tensor_parallel_size", 1)) == 1:
        # In the replica: each further process of an engine costs 1 GB and 10 to 15 s of start on a CPU.
        arguments["distributed_executor_backend"] = "uni"
    spec = EngineSpec(prepared.entry.id, arguments, frontend or {}, labels, settings.simulate)
    scaling: dict[str, Any] = {"num_replicas": settings.min_replicas}
    if settings.max_replicas > settings.min_replicas:
        scaling = {
            "autoscaling_config": AutoscalingConfig(
                min_replicas=settings.min_replicas,
                max_replicas=settings.max_replicas,
                target_ongoing_requests=settings.target_ongoing_requests,
            )
        }
    deployment: Any = serve.deployment(
        name=name,
        max_ongoing_requests=settings.max_ongoing_requests,
        ray_actor_options={
            "num_cpus": cpus,
            "num_gpus": settings.gpus if settings.gpus is not None else resources.gpus,
            "resources": settings.ray_resources,
            "runtime_env": {"env_vars": engine_environment(settings.accelerator, cpus)},
        },
        health_check_period_s=2,
        health_check_timeout_s=10,
        graceful_shutdown_timeout_s=10,
        **scaling,
    )(Engine)
    application: serve.Application = deployment.bind(spec)
    return application
