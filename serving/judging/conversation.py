"""The conversation a judge reads, and the stage it is read at."""

from dataclasses import dataclass, replace
from enum import StrEnum
from itertools import dropwhile
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


_INSTRUCTIONS = ("system", "developer")


def all_that_was_asked(check: Check) -> Check | None:
    """The prompt's check over again with everything that was asked so far as its one message.

    A model answers the whole conversation, so that a request which was left standing some turns ago, or is
    spread over turns, is answered as well. Left out are the assistant's turns, which were answers once, and
    the instructions before the first turn, which the application gives; instructions that come later are
    turns like any other. None where nothing was asked before the judged message.
    """
    if check.stage is not Stage.PROMPT:
        return None
    turns = tuple(dropwhile(lambda message: message.role in _INSTRUCTIONS, check.conversation))
    if not any(message.role != "assistant" for message in turns[:-1]):
        return None
    asked = [message.text for message in turns if message.role != "assistant"]
    return replace(check, conversation=(Message("user", "\n\n".join(asked)),))
