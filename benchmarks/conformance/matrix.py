"""The cells of a run: not every combination of everything, but every pair that could hide a leak."""

from benchmarks.conformance.cells import ABSENT, WHOLE, Cell, Channel, Ending, JudgeState, Route
from benchmarks.conformance.placements import SPLITS

FAULTS = "judge faults"
CUTS = "chunk splits"
ENDINGS = "endings"

_REDUCED_SPLITS = ("cut after 4", "by characters", "all in one chunk", "last, with the finish", "far")
SPEAKING = (*((Route.CHAT, channel) for channel in Channel), (Route.COMPLETIONS, Channel.CONTENT))
"""What a gateway may offer: routes, and where in an answer the model speaks."""


def full() -> list[Cell]:
    """Every request under every state of the judge; every split on every channel; every ending."""
    cells = [
        Cell(FAULTS, route, stream, n, channel, placement, judge)
        for judge in JudgeState
        for route, channel in SPEAKING
        for stream in (True, False)
        for n in (1, 3)
        for placement in (ABSENT, WHOLE)
    ]
    cells += [
        Cell(CUTS, route, True, n, channel, placement)
        for placement in SPLITS
        for route, channel in SPEAKING
        for n in ((1, 3) if channel is Channel.CONTENT else (1,))
    ]
    return cells + _endings(SPEAKING)


def reduced(judges: tuple[JudgeState, ...] = tuple(JudgeState)) -> list[Cell]:
    """A quarter of the cells: each fault, channel, ending and the gravest splits at least once."""
    cells = [
        Cell(FAULTS, route, stream, 1, channel, placement, judge)
        for judge in judges
        for route, channel in SPEAKING
        for stream, placement in ((True, ABSENT), (True, WHOLE), (False, WHOLE))
        if judge is JudgeState.HEALTHY or placement == ABSENT or channel is Channel.CONTENT
    ]
    cells += [
        Cell(FAULTS, route, True, 3, channel, placement)
        for route, channel in SPEAKING
        for placement in (ABSENT, WHOLE)
    ]
    cells += [
        Cell(CUTS, route, True, 1, channel, placement)
        for placement in _REDUCED_SPLITS
        for route, channel in SPEAKING
    ]
    return cells + _endings(((Route.CHAT, Channel.CONTENT),))


def probes() -> list[Cell]:
    """One innocent request for each thing a gateway may not offer; what fails here is not supported."""
    streams = (True, False)
    cells = [
        Cell("probes", route, stream, 1, channel, ABSENT) for route, channel in SPEAKING for stream in streams
    ]
    return cells + [
        Cell("probes", route, stream, 3, Channel.CONTENT, ABSENT) for route in Route for stream in streams
    ]


def _endings(speaking: tuple[tuple[Route, Channel], ...]) -> list[Cell]:
    """Killing the gateway comes last: nothing is left to ask then."""
    cells = []
    for ending in (Ending.CLIENT_LEAVES, Ending.MODEL_DIES):
        for route, channel in speaking:
            for stream in (True, False):
                judges = [JudgeState.HEALTHY]
                if ending is Ending.CLIENT_LEAVES and channel is Channel.CONTENT:
                    judges += [JudgeState.SLOW, JudgeState.HANGING]
                cells += [
                    Cell(ENDINGS, route, stream, 1, channel, placement, judge, ending)
                    for judge in judges
                    for placement in ("long, absent", "long, slow")
                ]
    return cells + [
        Cell(ENDINGS, route, stream, 1, channel, "long, absent", JudgeState.HEALTHY, Ending.GATEWAY_KILLED)
        for route, channel in speaking
        for stream in (True, False)
    ]
