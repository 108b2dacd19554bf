"""Which JSON schemas a model may be held to.

A schema becomes a grammar, and a small one can become a large grammar: `pattern` and the lengths of texts
cost the compiler seconds to minutes each and can't be enforced; the rest is listed, and depth and size are
bounded. Source: JSON Schema 2020-12.
"""

import re
from collections.abc import Mapping
from typing import Any, Final

from serving.errors import RequestError

MOST_DEPTH: Final = 10
"""Objects, arrays and alternatives inside one another."""

MOST_NODES: Final = 200
"""Sub-schemas in all."""

MOST_VALUES: Final = 500
"""Values of one `enum`."""

MOST_ALTERNATIVES: Final = 16
"""Schemas of one `anyOf`, `oneOf`, `allOf` or `prefixItems`."""

MOST_TEXT: Final = 16_000
"""Characters of all names and values."""

MOST_SAID: Final = 64_000
"""Characters of all titles, descriptions, defaults and examples, which no grammar is made of."""

FORMAT_NODES: Final = 10
"""Sub-schemas that a `format` counts as: the grammar of an e-mail address takes 20 ms to compile."""

MOST_COUNT: Final = 1_000
"""Largest bound on the size of an array or object."""

_TYPES: Final = frozenset({"string", "number", "integer", "boolean", "null", "object", "array"})
_FORMATS: Final = frozenset(
    {"date-time", "time", "date", "duration", "email", "hostname", "ipv4", "ipv6", "uuid", "uri"}
)
_SAID: Final = frozenset({"title", "description", "$schema", "$id", "$comment", "default", "examples"})
_COUNTS: Final = frozenset({"minItems", "maxItems", "minProperties", "maxProperties"})
_NUMBERS: Final = frozenset({"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"})
_ONE: Final = frozenset({"items", "additionalProperties"})
_SOME: Final = frozenset({"anyOf", "oneOf", "allOf", "prefixItems"})
_NAMED: Final = frozenset({"properties", "$defs", "definitions"})
_REFERENCE: Final = re.compile(r"#(/(\$defs|definitions)/[A-Za-z0-9_.-]{1,64})?")


def check_schema(schema: Mapping[str, Any], param: str, *, arguments: bool = False) -> int:
    """Return the size of a schema, in sub-schemas.

    Raises RequestError 400 naming the place where it is wrong, or more than may be asked for. `arguments`
    demands an object, which is what a function's parameters are.
    """
    return _Checker(schema, param).check(arguments)


def enforceable_size(schema: Mapping[str, Any]) -> int | None:
    """The size of a schema that arguments of a function can be held to; None for any other."""
    try:
        return check_schema(schema, "schema", arguments=True)
    except RequestError:
        return None


class _Checker:
    def __init__(self, schema: Mapping[str, Any], param: str) -> None:
        self._root = schema
        self._param = param
        self._nodes = 0
        self._text = 0
        self._told = 0
        self._others = {
            "type": self._type,
            "enum": self._values,
            "const": self._constant,
            "format": self._format,
            "required": self._names,
            "$ref": self._reference,
        }

    def check(self, arguments: bool) -> int:
        if arguments and self._root.get("type", "object") != "object":
            raise self._wrong(self._param, "the parameters of a function must be an object")
        self._schema(self._root, self._param, 1)
        return self._nodes

    def _schema(self, schema: Any, where: str, depth: int) -> None:
        if isinstance(schema, bool):
            return
        if not isinstance(schema, dict):
            raise self._wrong(where, "a schema must be an object")
        self._grow(1)
        if depth > MOST_DEPTH:
            raise self._wrong(where, f"schemas may nest at most {MOST_DEPTH} deep")
        for key, value in schema.items():
            self._keyword(key, value, f"{where}.{key[:64]}", depth)

    def _keyword(self, key: str, value: Any, where: str, depth: int) -> None:
        if key in _SAID:
            self._said(value, where)
        elif key in _ONE:
            self._schema(value, where, depth + 1)
        elif key in _SOME:
            self._alternatives(value, where, depth)
        elif key in _NAMED:
            self._named(value, where, depth)
        elif key in _COUNTS or key in _NUMBERS:
            self._number(key, value, where)
        elif key in self._others:
            self._others[key](value, where)
        else:
            raise self._wrong(where, "this keyword cannot be enforced")

    def _alternatives(self, value: Any, where: str, depth: int) -> None:
        if not isinstance(value, list) or not 1 <= len(value) <= MOST_ALTERNATIVES:
            raise self._wrong(where, f"must be a list of 1 to {MOST_ALTERNATIVES} schemas")
        for place, inner in enumerate(value):
            self._schema(inner, f"{where}.{place}", depth + 1)

    def _named(self, value: Any, where: str, depth: int) -> None:
        if not isinstance(value, dict):
            raise self._wrong(where, "must be an object")
        for name, inner in value.items():
            self._count(name)
            self._schema(inner, f"{where}.{name[:64]}", depth + 1)

    def _said(self, value: Any, where: str) -> None:
        """What a reader is told: of any form, but bounded like the rest."""
        values = 0
        rest = [value]
        while rest:
            values += 1
            if values > MOST_VALUES:
                raise self._wrong(where, f"has more than {MOST_VALUES} values")
            one = rest.pop()
            if isinstance(one, dict):
                self._told += sum(map(len, one))
                rest += one.values()
            elif isinstance(one, list):
                rest += one
            else:
                self._told += len(str(one))
        if self._told > MOST_SAID:
            raise self._wrong(self._param, f"its descriptions have more than {MOST_SAID} characters")

    def _format(self, value: Any, where: str) -> None:
        if not isinstance(value, str) or value not in _FORMATS:
            raise self._wrong(where, f"format must be one of {', '.join(sorted(_FORMATS))}")
        self._grow(FORMAT_NODES)

    def _constant(self, value: Any, where: str) -> None:
        self._values([value], where)

    def _type(self, value: Any, where: str) -> None:
        types = value if isinstance(value, list) else [value]
        if not types or not all(isinstance(one, str) and one in _TYPES for one in types):
            raise self._wrong(where, f"type must be of {', '.join(sorted(_TYPES))}")

    def _values(self, values: Any, where: str) -> None:
        if not isinstance(values, list) or not 1 <= len(values) <= MOST_VALUES:
            raise self._wrong(where, f"must be a list of 1 to {MOST_VALUES} values")
        for value in values:
            if isinstance(value, dict | list):
                raise self._wrong(where, "values must be texts, numbers, booleans or null")
            self._count(str(value))

    def _number(self, key: str, value: Any, where: str) -> None:
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise self._wrong(where, "must be a number")
        if key in _COUNTS and not (isinstance(value, int) and 0 <= value <= MOST_COUNT):
            raise self._wrong(where, f"must be a whole number from 0 to {MOST_COUNT}")
        if abs(value) > 1e15:
            raise self._wrong(where, "must be at most 1e15")

    def _names(self, value: Any, where: str) -> None:
        if not isinstance(value, list) or not all(isinstance(name, str) for name in value):
            raise self._wrong(where, "must be a list of names")
        if len(value) > MOST_VALUES:
            raise self._wrong(where, f"must be at most {MOST_VALUES} names")
        for name in value:
            self._count(name)

    def _reference(self, value: Any, where: str) -> None:
        match = _REFERENCE.fullmatch(value) if isinstance(value, str) else None
        if match is None:
            raise self._wrong(where, "must point to #, or to an entry of $defs or definitions at the top")
        if match.group(1):
            _, group, name = value.split("/")
            definitions = self._root.get(group)
            if not isinstance(definitions, dict) or name not in definitions:
                raise self._wrong(where, "points to nothing")

    def _grow(self, nodes: int) -> None:
        self._nodes += nodes
        if self._nodes > MOST_NODES:
            raise self._wrong(self._param, f"the schema has more than {MOST_NODES} parts")

    def _count(self, text: str) -> None:
        self._text += len(text)
        if self._text > MOST_TEXT:
            raise self._wrong(self._param, f"its names and values have more than {MOST_TEXT} characters")

    @staticmethod
    def _wrong(where: str, message: str) -> RequestError:
        return RequestError(400, f"{where}: {message}.", code="invalid_schema", param=where)
