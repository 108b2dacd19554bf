"""Log-probabilities of the tokens whose text has been put out, and of no others.

An engine names a token as soon as it is sampled, which may be before its text (held back for a stop sequence,
for a character of several tokens, for the parser of tool calls) or instead of it (the end of the turn,
reasoning, a call). What is named is readable: an entry waits for its text, and is dropped where none comes.
"""

from collections import deque
from collections.abc import Iterable, Mapping
from typing import Any

INCOMPLETE = "\ufffd"
"""What a token that is part of a character decodes to."""


class Logprobs:
    """Aligns the entries of one choice with its content."""

    def __init__(self) -> None:
        self._waiting: deque[Mapping[str, Any]] = deque()
        self._text = ""
        self._gap = 0

    def align(self, content: str, entries: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """The entries whose tokens are spelled out by the content so far, in order."""
        self._waiting.extend(entries)
        self._text += content
        named: list[dict[str, Any]] = []
        while self._waiting and self._text:
            token = str(self._waiting[0].get("token") or "")
            at = self._place(token)
            if at < 0:
                if token.startswith(self._text):
                    break  # the rest of the token is held back
                self._gap = min(self._gap + max(1, token.count(INCOMPLETE)), 8)
            else:
                named.append(_public(self._waiting[0], token))
                self._text = self._text[at + len(token) :]
                self._gap = 0
            self._waiting.popleft()
        if not self._waiting:
            self._text, self._gap = "", 0
        return named

    def skip(self) -> None:
        """Forget what waits: it was not content."""
        self._waiting.clear()
        self._text = ""

    def _place(self, token: str) -> int:
        """Where the token stands in the text: at its front, or shortly after tokens that were no text."""
        if not token or INCOMPLETE in token:
            return -1
        return self._text.find(token, 0, len(token) + self._gap)


def _public(entry: Mapping[str, Any], token: str) -> dict[str, Any]:
    """An entry without alternatives, which are texts that no verdict covers."""
    return {
        "token": token,
        "logprob": entry.get("logprob"),
        "bytes": list(token.encode(errors="replace")),
        "top_logprobs": [],
    }
