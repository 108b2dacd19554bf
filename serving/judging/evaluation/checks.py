"""From a labelled row to the check a gateway would make of it."""

from models.training.rows import Row
from serving.judging.conversation import Check, Message, Stage


def check_of(row: Row) -> Check:
    """A prompt (after its system prompt, if it has one), an answer to its prompt, or a text on its own."""
    if row.kind == "prompt":
        system = (Message("system", row.prompt),) if row.prompt else ()
        return Check(Stage.PROMPT, (*system, Message("user", row.text)))
    if row.kind == "response":
        asked = (Message("user", row.prompt),) if row.prompt else ()
        return Check(Stage.ANSWER, asked, row.text)
    return Check(Stage.TEXT, (), row.text)
