"""One cell of the matrix: a request, what the model will say to it, and what goes wrong meanwhile."""

from dataclasses import dataclass
from enum import StrEnum


class Route(StrEnum):
    """The routes that generate."""

    CHAT = "/v1/chat/completions"
    COMPLETIONS = "/v1/completions"


class Channel(StrEnum):
    """Where in its answer the model speaks."""

    CONTENT = "content"
    REASONING = "reasoning"
    TOOL_CALL = "tool call"


class JudgeState(StrEnum):
    """How the judge behaves. `down` refuses connections, `dying` breaks off in the middle of each check."""

    HEALTHY = "healthy"
    SLOW = "slow"
    FLAPPING = "flapping"
    GARBLED = "garbled"
    FAILING = "failing"
    HANGING = "hanging"
    DYING = "dying"
    DOWN = "down"


class Ending(StrEnum):
    """What ends the exchange."""

    READ = "read to the end"
    CLIENT_LEAVES = "client leaves"
    MODEL_DIES = "model dies"
    GATEWAY_KILLED = "gateway killed"


ABSENT = "absent"
"""The placement of an innocent answer: the forbidden phrase is not in it."""

WHOLE = "inside"
"""The placement of the phrase in the middle of the answer, one word a chunk."""


@dataclass(frozen=True, slots=True)
class Cell:
    """`placement` says where the forbidden phrase is and how chunks cut it (`placements.PLACEMENTS`)."""

    section: str
    route: Route = Route.CHAT
    stream: bool = True
    n: int = 1
    channel: Channel = Channel.CONTENT
    placement: str = WHOLE
    judge: JudgeState = JudgeState.HEALTHY
    ending: Ending = Ending.READ

    @property
    def innocent(self) -> bool:
        """Whether the answer must come through: nothing forbidden in it, and a judge that can say so."""
        return self.placement == ABSENT and self.judge is JudgeState.HEALTHY and self.ending is Ending.READ

    @property
    def request(self) -> str:
        """The request in a few words."""
        how = "stream" if self.stream else "whole"
        route = "chat" if self.route is Route.CHAT else "completions"
        return f"{route}, {how}, n={self.n}, {self.channel.value}"

    @property
    def title(self) -> str:
        parts = [self.request, f"phrase {self.placement}", f"judge {self.judge.value}"]
        return "; ".join(parts if self.ending is Ending.READ else [*parts, self.ending.value])
