"""A conversation as segments, the way most families want it: a name before each turn, a gap after it."""

from collections.abc import Collection, Mapping, Sequence

from serving.judging.conversation import Check, Message, Role, Stage
from serving.judging.prompt import Segment
from serving.judging.templates.quoting import quoted


def judged_turns(check: Check) -> tuple[tuple[Message, ...], Message]:
    """The context of a check, and the turn that is judged.

    At stage `prompt` the last message is judged, at the others `check.text`. A text that stands alone is
    judged as a user's message, which is what the guard families know.
    """
    if check.stage is Stage.PROMPT:
        if not check.conversation:
            return (), Message("user", "")
        return check.conversation[:-1], check.conversation[-1]
    role: Role = "user" if check.stage is Stage.TEXT else "assistant"
    return check.conversation, Message(role, check.text)


def is_answer(check: Check) -> bool:
    """Whether the judged turn is the assistant's."""
    return check.stage in (Stage.ANSWER, Stage.TOOL_CALL)


def last_request(context: Sequence[Message]) -> str:
    """What the user asked last, for families that read one exchange only."""
    return next((message.text for message in reversed(context) if message.role == "user"), "")


def transcript(
    check: Check,
    names: Mapping[Role, str],
    gap: str,
    marks: Collection[str] = (),
    words: Collection[str] = (),
) -> tuple[Segment, ...]:
    """Every turn as `name: text` with `gap` after it; the texts untrusted, the judged one splittable.

    A role that `names` lacks is left out, unless it is the judged one. `marks` and `words` are the prompt's
    other plain-text structure, which a text can forge no more than it can a turn.
    """
    context, judged = judged_turns(check)
    turns = {*names.values(), *words}
    segments: list[Segment] = []
    for message in context:
        if message.role in names:
            segments += [
                Segment(f"{names[message.role]}: ", trusted=True),
                Segment(quoted(message.text, turns, marks), elastic=True),
                Segment(gap, trusted=True),
            ]
    name = names.get(judged.role, names["user"])
    segments += [
        Segment(f"{name}: ", trusted=True),
        Segment(quoted(judged.text, turns, marks), splittable=True),
        Segment(gap, trusted=True),
    ]
    return tuple(segments)
