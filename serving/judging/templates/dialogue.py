"""A conversation as segments, the way most families want it: a name before each turn, a gap after it."""

from collections.abc import Mapping
from dataclasses import replace

from serving.judging.conversation import Check, Message, Role, Stage
from serving.judging.prompt import Segment
from serving.judging.templates.quoting import Structure, quoted


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


def exchange(check: Check) -> tuple[str, str]:
    """The user's part and the assistant's, for families that read one exchange only.

    Every turn that is not the assistant's belongs to the user's part, oldest first, so that nothing a client
    sends goes unread for the role it is sent under. The assistant's part is empty where no answer is judged.
    """
    context, judged = judged_turns(check)
    asked = [message.text for message in context if message.role != "assistant"]
    if is_answer(check):
        return "\n\n".join(asked), judged.text
    return "\n\n".join([*asked, judged.text]), ""


def transcript(
    check: Check,
    names: Mapping[Role, str],
    gap: str,
    structure: Structure,
) -> tuple[Segment, ...]:
    """Every turn as `name: text` with `gap` after it; the texts untrusted, the judged one splittable.

    Every turn is there: one whose role `names` lacks (system, developer, tool) goes by the user's name.
    `structure` is the prompt's other plain text, which a text can forge no more than it can a turn.
    """
    context, judged = judged_turns(check)
    structure = within(structure, names)
    segments: list[Segment] = []
    for message in context:
        segments += [
            Segment(f"{names.get(message.role, names['user'])}: ", trusted=True),
            Segment(quoted(message.text, structure), elastic=True),
            Segment(gap, trusted=True),
        ]
    segments += [
        Segment(f"{names.get(judged.role, names['user'])}: ", trusted=True),
        Segment(quoted(judged.text, structure), splittable=True),
        Segment(gap, trusted=True),
    ]
    return tuple(segments)


def within(structure: Structure, names: Mapping[Role, str]) -> Structure:
    """The structure of a prompt whose turns have these names."""
    return replace(structure, names=(*dict.fromkeys(names.values()), *structure.names))
