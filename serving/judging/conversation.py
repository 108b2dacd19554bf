"""The conversation a judge reads, and the stage it is read at."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

Role = Literal["system", "developer", "user", "assistant", "tool"]


class Stage(StrEnum):
    """What is being judged."""

    PROMPT = "prompt"
    ANSWER = "answer"
    TOOL_CALL = "tool_call"
    TEXT = "text"


@dataclass(frozen=True, slots=True)
class Message:
    """One turn as text. Tool calls and reasoning of earlier turns are already serialised into it."""

    role: Role
    text: str


Conversation = tuple[Message, ...]


@dataclass(frozen=True, slots=True)
class Check:
    """One thing to be judged.

    `conversation` is the context: at stage `prompt` it ends with the judged message and `text` is empty;
    for `answer` and `tool_call`, `text` is the cumulative text so far, never a fragment; for `text`
    (moderation of free text) the conversation is empty. `cache_salt` is the tenant's id, `request_id` the
    request's where it has one.
    """

    stage: Stage
    conversation: Conversation
    text: str = ""
    cache_salt: str = ""
    request_id: str = ""
