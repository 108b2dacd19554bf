"""Text as its reader will read it: JSON's escapes are undone before it is judged.

Arguments of a tool call and structured answers are decoded by whoever gets them, so `\\u0062omb` is a bomb to
the reader and must be one to the judge.
"""

import re
import unicodedata

_ESCAPES = re.compile(r"(?:\\u[0-9a-fA-F]{4})+")


def readable(text: str) -> str:
    """`text` with complete JSON escapes of characters replaced by the characters (RFC 8259, 7).

    Control characters and halves of surrogate pairs stay as they are spelled. An escape that is still being
    written stays as well; the next check reads it whole.
    """
    return _ESCAPES.sub(_decoded, text) if "\\u" in text else text


def _decoded(match: re.Match[str]) -> str:
    spelled = match.group()
    units = b"".join(int(spelled[at + 2 : at + 6], 16).to_bytes(2) for at in range(0, len(spelled), 6))
    decoded = units.decode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{ord(c):04x}" if unicodedata.category(c) in ("Cc", "Cs") else c for c in decoded)
