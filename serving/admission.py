"""What a request must satisfy before either model sees it."""

import asyncio
import uuid
from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

from starlette.requests import Request

from auth import strict_json
from auth.tenants import Tenant
from serving.arrivals import GRACE, Arrivals
from serving.bodies import MOST_VALUES, beside_the_loop, values_in
from serving.completions import CompletionRequest
from serving.conversations import conversation_of, guard_texts
from serving.errors import RequestError
from serving.judging.policy import Policy
from serving.judging.protocols import Generation
from serving.openai_api import ChatRequest
from serving.services import Caller, Services
from serving.settings import GatewaySettings

DEEPEST_BODY = 100
"""Levels of objects and lists in a request; JSON schemas nest."""

MOST_CHARACTERS = 64
"""Of a token, on average over a prompt: words have 4 to 6, the longest runs of blanks some more."""

NO_TENANT = "(operators)"
"""Under which bodies of operators are counted, together; no id of a tenant has brackets."""

Asked = TypeVar("Asked", ChatRequest, CompletionRequest)


async def receive(
    services: Services, who: Caller, request: Request, parse: Callable[[bytes], Asked]
) -> Asked:
    """Read and parse a request whose texts may be shown to the models. Raises RequestError.

    Both cost time that grows with the body, so a large one is not parsed in everybody's way.
    """
    body = await read_body(request, services.settings)

    def parsed() -> Asked:
        asked = parse(body)
        require_model(services, who.tenant, asked.model)
        require_room(asked, services.context_length)
        guard_texts(asked, services.reserved_tokens)
        return asked

    return await beside_the_loop(body, parsed)


def admit(
    services: Services, who: Caller, request: ChatRequest | CompletionRequest
) -> tuple[Policy, Generation]:
    """Check what was received against the gateway's limits and the tenant. Raises RequestError."""
    settings = services.settings
    chat = request if isinstance(request, ChatRequest) else None
    if chat is not None and chat.tools and not services.accepts_tools:
        message = "The model does not call tools."
        raise RequestError(400, message, code="unsupported_parameter", param="tools")
    if request.n > settings.max_choices:
        raise RequestError(400, f"n must be at most {settings.max_choices}.", code="invalid_value", param="n")
    limit = min(settings.max_output_tokens, services.context_length)
    tokens = request.output_tokens
    if tokens is not None and tokens > limit:
        param = "max_completion_tokens" if request.max_tokens is None else "max_tokens"
        raise RequestError(400, f"{param} must be at most {limit}.", code="invalid_value", param=param)
    policy = policy_of(services, who.tenant)
    generation = Generation(
        request_id=uuid.uuid4().hex,
        body=request.engine_body(tokens or min(settings.default_output_tokens, limit)),
        n=request.n,
        cache_salt=who.tenant.id,
    )
    return policy, generation


def require_room(request: ChatRequest | CompletionRequest, context_length: int) -> None:
    """Raise RequestError 400 for a prompt that cannot fit the model's context whatever its tokens are.

    Both models would otherwise spend seconds on its tokens, at everybody's cost, only to refuse it.
    """
    if isinstance(request, ChatRequest):
        param, texts = "messages", conversation_of(request.messages, request.tools or ())
        characters = sum(len(message.text) for message in texts)
    else:
        param, characters = "prompt", len(request.text)
    if characters > context_length * MOST_CHARACTERS:
        message = f"{param} does not fit the model's maximum context length of {context_length} tokens."
        raise RequestError(400, message, code="context_length_exceeded", param=param)


def policy_of(services: Services, tenant: Tenant) -> Policy:
    """The policy that the tenant's texts are judged by. Raises RequestError 403."""
    policy = services.policies.get(tenant.policy)
    if policy is None:
        raise RequestError(403, "The tenant's policy does not exist here.", code="unknown_policy")
    return policy


def require_model(services: Services, tenant: Tenant, model: str) -> None:
    """A model that a tenant may not use looks the same as one that does not exist."""
    if model != services.model or not tenant.allows_model(model):
        raise RequestError(404, "There is no such model.", code="model_not_found", param="model")


async def read_body(request: Request, settings: GatewaySettings) -> bytes:
    """Read a body up to the limits. Raises RequestError 413, 415, 429 or 408, and 400 for bad JSON.

    The gateway has noted the caller's tenant in `request.state`, and counts in the application's state.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json":
        raise RequestError(415, "The content type must be application/json.", code="unsupported_media_type")
    with suppress(ValueError):
        if int(request.headers.get("content-length", "0")) > settings.max_body_bytes:
            raise _too_large(settings)
    body = await _arriving(request, settings)
    await beside_the_loop(body, lambda: refuse_ambiguous(body))
    return body


async def _arriving(request: Request, settings: GatewaySettings) -> bytes:
    """A body as it comes; one that is not there soon needs one of the tenant's places."""
    arrivals: Arrivals = request.app.state.arrivals
    reading = asyncio.get_running_loop().create_task(_arrived(request, settings))
    try:
        await asyncio.wait({reading}, timeout=GRACE)
        if reading.done():
            return reading.result()
        with arrivals.reading(getattr(request.state, "tenant", NO_TENANT)):
            return await reading
    finally:
        reading.cancel()


async def _arrived(request: Request, settings: GatewaySettings) -> bytes:
    body = bytearray()
    try:
        async with asyncio.timeout(settings.body_timeout):
            async for part in request.stream():
                body += part
                if len(body) > settings.max_body_bytes:
                    raise _too_large(settings)
    except TimeoutError:
        raise RequestError(408, "The body took too long to arrive.", code="body_timeout") from None
    return bytes(body)


def refuse_ambiguous(body: bytes) -> None:
    """Raise RequestError 400 for a body that a proxy in front could have read differently, or of many values.

    A filter on the way that reads the first of two members of one name would have let through what we,
    reading the last, never showed it (RFC 7493, section 2.3).
    """
    if values_in(body) > MOST_VALUES:
        message = f"The body holds more than {MOST_VALUES} JSON values."
        raise RequestError(400, message, code="too_many_values")
    try:
        strict_json.load(body, max_depth=DEEPEST_BODY)
    except strict_json.DuplicateMember as error:
        name = error.name[:64].encode("utf-8", "replace").decode()  # half a surrogate pair can't be answered
        raise RequestError(400, f"{name} is given twice.", code="invalid_json", param=name) from None
    except strict_json.AmbiguousJson:
        raise RequestError(400, "The body is not valid JSON.", code="invalid_json") from None


def _too_large(settings: GatewaySettings) -> RequestError:
    message = f"The body must be at most {settings.max_body_bytes} bytes."
    return RequestError(413, message, code="request_too_large")
