"""JSON without its ambiguities: no duplicate members, no NaN, bounded nesting (RFC 8725, section 2.4)."""

import json
from typing import Any, Final

MAX_DEPTH: Final = 8


class AmbiguousJson(ValueError):  # noqa: N818 - says what is the case
    """The bytes are not JSON, or two readers could read them differently."""


class DuplicateMember(AmbiguousJson):
    """An object names a member twice, of which some readers take the first and some the last."""

    def __init__(self, name: str) -> None:
        super().__init__("duplicate member")
        self.name = name


def load(data: bytes, *, max_depth: int = MAX_DEPTH) -> Any:
    """Parse `data` as JSON in UTF-8.

    Raises `AmbiguousJson` for duplicate members (`DuplicateMember`), a byte order mark, NaN or Infinity, a
    number too long to convert, nesting beyond `max_depth`, and for what is no JSON at all.
    """
    try:
        value = json.loads(
            data.decode("utf-8"), object_pairs_hook=_unique_members, parse_constant=_refuse_constant
        )
    except AmbiguousJson:
        raise
    except (ValueError, RecursionError) as error:
        raise AmbiguousJson(str(error)) from error
    _check_depth(value, max_depth)
    return value


def load_object(data: bytes, *, max_depth: int = MAX_DEPTH) -> dict[str, Any]:
    """As `load`, and `AmbiguousJson` for whatever is not an object."""
    value = load(data, max_depth=max_depth)
    if not isinstance(value, dict):
        raise AmbiguousJson("not a JSON object")
    return value


def _unique_members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        seen: set[str] = set()
        for name, _ in pairs:
            if name in seen:
                raise DuplicateMember(name)
            seen.add(name)
    return members


def _refuse_constant(name: str) -> Any:
    raise AmbiguousJson(f"{name} is not JSON")


def _check_depth(value: Any, max_depth: int) -> None:
    level: list[dict[str, Any] | list[Any]] = [[value]]
    for _ in range(max_depth + 2):
        level = [
            child
            for container in level
            for child in (container.values() if isinstance(container, dict) else container)
            if isinstance(child, dict | list)
        ]
        if not level:
            return
    raise AmbiguousJson("nested too deeply")
