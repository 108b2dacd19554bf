"""JSON without its ambiguities: no duplicate members, no NaN, bounded nesting (RFC 8725, section 2.4)."""

import json
from typing import Any, Final

MAX_DEPTH: Final = 8


class AmbiguousJson(ValueError):  # noqa: N818 - says what is the case
    """The bytes are not JSON, or two readers could read them differently."""


def load_object(data: bytes, *, max_depth: int = MAX_DEPTH) -> dict[str, Any]:
    """Parse `data` as one JSON object in UTF-8.

    Raises `AmbiguousJson` for anything else: another top-level value, duplicate members, a byte order
    mark, NaN or Infinity, a number too long to convert, nesting beyond `max_depth`.
    """
    try:
        value = json.loads(
            data.decode("utf-8"), object_pairs_hook=_unique_members, parse_constant=_refuse_constant
        )
    except (ValueError, RecursionError) as error:
        raise AmbiguousJson(str(error)) from error
    if not isinstance(value, dict):
        raise AmbiguousJson("not a JSON object")
    _check_depth(value, max_depth)
    return value


def _unique_members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise AmbiguousJson("duplicate member")
    return members


def _refuse_constant(name: str) -> Any:
    raise AmbiguousJson(f"{name} is not JSON")


def _check_depth(value: Any, max_depth: int) -> None:
    level = [value]
    for _ in range(max_depth + 1):
        level = [
            child
            for container in level
            for child in (container.values() if isinstance(container, dict) else container)
            if isinstance(child, dict | list)
        ]
        if not level:
            return
    raise AmbiguousJson("nested too deeply")
