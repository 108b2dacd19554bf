"""A gateway put together in one process: everything is real but the two models."""

import asyncio
import contextlib
import socket
import threading
import time
import uuid
from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import uvicorn
from fastapi import FastAPI

from auth.assembly import build_operator_guard, build_verifier
from auth.issuer.app import build_app
from auth.issuer.grant import TokenTerms, grant
from auth.issuer.state import StateFile
from auth.settings import IdentitySettings
from auth.tenant_file import FileTenantDirectory, TenantFile
from serving.entrance import Entrance
from serving.gateway import create_gateway
from serving.judgements.local import SqliteJudgements
from serving.judgements.settings import JudgementsSettings
from serving.judging.conversation import Check
from serving.judging.gathering import GatheringScorer
from serving.judging.judge import TemplateJudge
from serving.judging.policy import Policy, load_policies
from serving.judging.prompt import LabelScores, Question
from serving.judging.protocols import Delta, EngineError, Generation, JudgeError
from serving.judging.templates.families import template_of
from serving.judging.verdict import Verdict
from serving.limits.limiter import TenantLimiter
from serving.limits.memory import MemoryStore
from serving.limits.store import LimitStore
from serving.observed import ObservedEngine, ObservedJudge
from serving.overload.guard import GuardedJudge
from serving.overload.settings import OverloadSettings
from serving.quarantine.local import SqliteStore
from serving.quarantine.quarantine import Quarantine
from serving.quarantine.settings import QuarantineSettings
from serving.readiness import Readiness
from serving.services import Services
from serving.settings import BUNDLED_POLICIES, GatewaySettings
from serving.simulator import Script, SimulatedEngine

MODEL = "simulated"
CHAT = "/v1/chat/completions"
SCORES = {"": 0.02, "zarzour": 0.98}
"""What the simulated judge thinks: whatever mentions a starling violates."""

TENANTS = """
tenants:
  - id: khouribga
    name: Khouribga
    applications: [{id: khouribga-assistant, scopes: [chat, moderate]}, {id: khouribga-agent, scopes: [chat]}]
  - {id: jorf, name: الجرف, policy: gate, applications: [{id: jorf-assistant, scopes: [chat]}]}
  - {id: safi, name: Safi, policy: observe, applications: [{id: safi-assistant, scopes: [chat, usage]}]}
  - {id: other, name: Other, models: [another-model], applications: [{id: other-assistant, scopes: [chat]}]}
  - {id: closed, name: Closed, status: suspended, applications: [{id: closed-assistant, scopes: [chat]}]}
  - {id: lost, name: Lost, policy: no-such-policy, applications: [{id: lost-assistant, scopes: [chat]}]}
operators: [{id: mizan-operator, scopes: [usage, supervisor, admin]}]
"""


class DevelopmentIssuer:
    """The embedded issuer with its real keys and tenants file, reached without a network."""

    def __init__(self, folder: Path) -> None:
        tenants_path = folder / "tenants.yaml"
        tenants_path.write_text(TENANTS, encoding="utf-8")
        self.tenants = TenantFile(tenants_path)
        self.settings = IdentitySettings.model_validate(
            {"embedded": {"state_dir": folder / "issuer"}, "tenants_file": tenants_path}
        )
        self.state = StateFile(folder / "issuer")
        self.state.update(
            lambda before: before.rotated(time.time(), 60).with_clients(self.tenants.current().client_ids())
        )

    def fresh_file(self) -> Path:
        """A file that no other stack uses, and that is not there yet."""
        return self.settings.embedded.state_dir / f"{uuid.uuid4().hex}.sqlite"

    def transport(self) -> httpx.ASGITransport:
        return httpx.ASGITransport(build_app(self.state, self.tenants, self._terms(), 60, time.time))

    def token(
        self,
        application: str = "khouribga-assistant",
        *,
        age: float = 0,
        state: StateFile | None = None,
        issuer: str | None = None,
        tenant: str | None = None,
    ) -> str:
        """A token for an application, issued `age` seconds ago.

        `state` may be a stranger's, `issuer` another one, `tenant` one that is not in the file.
        """
        found = self.tenants.current().application(application)
        assert found is not None
        client, its_tenant = found
        if tenant is not None and its_tenant is not None:
            its_tenant = its_tenant.model_copy(update={"id": tenant})
        terms = TokenTerms(issuer, "mizan", 300) if issuer else self._terms()
        form = {"grant_type": "client_credentials"}
        now = time.time() - age
        answer = grant(form, (client, its_tenant), (state or self.state).read(), terms, now)
        token: str = answer["access_token"]
        return token

    def _terms(self) -> TokenTerms:
        return TokenTerms(self.settings.issuer_url, "mizan", 300)


class Model(SimulatedEngine):
    """A simulated engine that remembers what it was given."""

    def __init__(self, script: Script) -> None:
        super().__init__(script)
        self.generations: list[Generation] = []
        self.questions: list[Question] = []

    async def generate(self, generation: Generation) -> AsyncGenerator[Delta, None]:
        self.generations.append(generation)
        async with contextlib.aclosing(super().generate(generation)) as deltas:
            async for delta in deltas:
                yield delta

    async def score(self, questions: Sequence[Question]) -> list[LabelScores | JudgeError]:
        self.questions += questions
        return await super().score(questions)

    @property
    def untouched(self) -> bool:
        return not self.generations and not self.questions


class Refusing(Model):
    """An engine that refuses every request the way the real one refuses a prompt that is too long."""

    def __init__(self, error: Exception | None) -> None:
        super().__init__(Script())
        self._error = error

    async def generate(self, generation: Generation) -> AsyncGenerator[Delta, None]:
        if self._error:
            raise self._error
        yield Delta()


class WatchedJudge(ObservedJudge):
    """Remembers every check together with its verdict."""

    def __init__(self, judge: GuardedJudge) -> None:
        super().__init__(judge)
        self.passed: list[str] = []

    async def judge(self, check: Check, policy: Policy) -> Verdict:
        verdict = await super().judge(check, policy)
        if verdict.passed:
            self.passed.append(check.text)
        return verdict


@dataclass
class Stack:
    """One gateway and what it stands on."""

    issuer: DevelopmentIssuer
    engine: Model
    judge: Model
    verdicts: WatchedJudge
    app: FastAPI
    services: Services
    clients: list[httpx.AsyncClient] = field(default_factory=list)

    def client(self, application: str | None = "khouribga-assistant", **headers: str) -> httpx.AsyncClient:
        """An HTTP client that calls the application in this process."""
        if application is not None:
            headers["authorization"] = f"Bearer {self.issuer.token(application)}"
        transport = httpx.ASGITransport(self.app)
        client = httpx.AsyncClient(transport=transport, base_url="http://gateway.test", headers=headers)
        self.clients.append(client)
        return client

    async def chat(
        self,
        text: str = "Bonjour",
        application: str = "khouribga-assistant",
        language: str = "en",
        body: Mapping[str, Any] | None = None,
        **fields: Any,
    ) -> httpx.Response:
        """Ask one question. `body` is for fields whose names are data."""
        request = {**ask(text), **fields, **(body or {})}
        return await self.client(application).post(CHAT, json=request, headers={"accept-language": language})

    async def settled(self, seconds: float = 10.0) -> bool:
        """Whether no generation is left within `seconds`."""
        deadline = time.monotonic() + seconds
        while self.engine.unfinished() and time.monotonic() < deadline:  # noqa: ASYNC110  nothing to wait on
            await asyncio.sleep(0.01)
        return self.engine.unfinished() == 0


def ask(text: str = "Bonjour", **fields: Any) -> dict[str, Any]:
    """A chat request with one message."""
    return {"model": MODEL, "messages": [{"role": "user", "content": text}], **fields}


def build(
    issuer: DevelopmentIssuer,
    *,
    script: Script | None = None,
    judge: Script | Model | None = None,
    family: str = "yes_no",
    engine: Model | None = None,
    policy: Mapping[str, Any] | None = None,
    limits: LimitStore | None = None,
    overload: OverloadSettings | None = None,
    accepts_tools: bool = True,
    quarantine: Quarantine | None = None,
    **settings: Any,
) -> Stack:
    """Put a gateway together. `family` is the judge's, `policy` changes every policy, `limits` is where usage
    is counted, `overload` when the judge counts as busy, `quarantine` knows who is shut out, `settings`
    changes the gateway's settings."""
    native = engine or Model(script or Script())
    judge_model = judge if isinstance(judge, Model) else Model(judge or Script(judge=SCORES))
    scorer = GatheringScorer(judge_model.score, 4)
    template_judge = TemplateJudge(template_of(family), scorer, "simulated-judge", "0" * 64)
    guarded = GuardedJudge(template_judge, overload or OverloadSettings())
    watched = WatchedJudge(guarded)
    policies = {
        name: one.model_copy(update=dict(policy or {}))
        for name, one in load_policies(BUNDLED_POLICIES).items()
    }
    verifier = build_verifier(issuer.settings, transport=issuer.transport())
    tenants = FileTenantDirectory(issuer.tenants)
    limiter = TenantLimiter(limits or MemoryStore(30), 30, 600)
    services = Services(
        settings=GatewaySettings(**settings),
        verifier=verifier,
        operators=build_operator_guard(issuer.settings, verifier),
        tenants=tenants,
        policies=policies,
        engine=ObservedEngine(native, MODEL),
        judge=watched,
        entrance=Entrance(
            tenants,
            quarantine or Quarantine(SqliteStore(issuer.fresh_file()), QuarantineSettings()),
            guarded,
            limiter,
            native.context_length,
            1,
        ),
        judgements=SqliteJudgements(issuer.fresh_file(), JudgementsSettings()),
        model=MODEL,
        context_length=native.context_length,
        reserved_tokens=(*native.reserved_tokens(), "<start_of_turn>"),
        accepts_tools=accepts_tools,
        ready=Readiness({"native model": native.check_ready, "judge model": judge_model.check_ready}),
    )
    return Stack(issuer, native, judge_model, watched, create_gateway(services), services)


@contextlib.contextmanager
def listening(app: FastAPI) -> Iterator[str]:
    """Serve an application on a loopback port in a thread; its address."""
    config = uvicorn.Config(app, log_config=None, access_log=False, ws="none", timeout_graceful_shutdown=1)
    server = uvicorn.Server(config)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            while not server.started:
                assert thread.is_alive(), "the server stopped at once"
                time.sleep(0.01)
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join(20)


def too_long() -> EngineError:
    """What the real engine says of a prompt that is longer than its context."""
    message = "This model's maximum context length is 8192 tokens."
    return EngineError(400, message, "context_length_exceeded", "messages")
