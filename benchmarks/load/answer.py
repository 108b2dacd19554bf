"""Reading an OpenAI chat completion, whole or as stream chunks."""

import json
from collections.abc import Mapping

from benchmarks.load.judgement import Judgement, read_judgement


class MalformedAnswerError(ValueError):
    """A body or chunk that is no chat completion."""


class StreamedError(ValueError):
    """An error object in a stream that had begun with HTTP 200."""


class Answer:
    """Collects the parts of one answer; `text` is only counted, never kept."""

    def __init__(self) -> None:
        self.finish_reasons: tuple[str, ...] = ()
        self.usage_tokens: int | None = None
        self.judgement: Judgement | None = None
        self.done = False

    def take_chunk(self, data: str) -> bool:
        """Reads one `data:` payload; whether it carried non-empty content.

        Raises MalformedAnswerError, StreamedError.
        """
        if data == "[DONE]":
            self.done = True
            return False
        return self._take(_object(data), "delta")

    def take_body(self, body: bytes) -> bool:
        """Reads a whole, unstreamed body. Raises as `take_chunk`."""
        self.done = True
        return self._take(_object(body), "message")

    def _take(self, found: Mapping[str, object], part: str) -> bool:
        if "error" in found:
            raise StreamedError(json.dumps(found["error"], ensure_ascii=False)[:200])
        usage = found.get("usage")
        if isinstance(usage, Mapping) and isinstance(tokens := usage.get("completion_tokens"), int):
            self.usage_tokens = tokens
        if (judgement := read_judgement(found.get("judgement"))) is not None:
            self.judgement = judgement
        choices = found.get("choices")
        if not isinstance(choices, list):
            raise MalformedAnswerError("no list of choices")
        content = False
        for choice in choices:
            if not isinstance(choice, Mapping):
                raise MalformedAnswerError("a choice is not an object")
            reason = choice.get("finish_reason")
            if isinstance(reason, str):
                self.finish_reasons += (reason,)
            message = choice.get(part)
            if isinstance(message, Mapping):
                content = content or _has_content(message)
        return content


def _has_content(message: Mapping[str, object]) -> bool:
    # Reasoning and tool calls are output tokens as well.
    return any(message.get(name) for name in ("content", "reasoning_content", "reasoning", "tool_calls"))


def _object(text: str | bytes) -> Mapping[str, object]:
    try:
        found = json.loads(text)
    except ValueError as error:
        raise MalformedAnswerError(f"not JSON: {error}") from error
    if not isinstance(found, Mapping):
        raise MalformedAnswerError("not a JSON object")
    return found
