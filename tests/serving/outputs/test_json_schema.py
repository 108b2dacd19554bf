"""Which schemas may become a grammar."""

from typing import Any

import pytest

from serving.errors import RequestError
from serving.outputs.json_schema import MOST_DEPTH, MOST_NODES, check_schema, is_enforceable

TEXT = {"type": "string"}


def nested(depth: int) -> dict[str, Any]:
    schema: dict[str, Any] = TEXT
    for _ in range(depth - 1):
        schema = {"type": "array", "items": schema}
    return schema


SOUND: list[dict[str, Any]] = [
    {},
    {"type": "object", "properties": {"a": TEXT, "b": {"type": ["integer", "null"]}}, "required": ["a"]},
    {"type": "object", "additionalProperties": False, "title": "T", "description": "D", "default": {}},
    {"enum": ["a", 1, 1.5, None, True]},
    {"const": "x"},
    {"anyOf": [TEXT, {"type": "number", "minimum": 0, "exclusiveMaximum": 1.5}]},
    {"type": "array", "items": TEXT, "minItems": 1, "maxItems": 1000},
    {"type": "string", "format": "date-time"},
    {"$defs": {"node": {"properties": {"next": {"$ref": "#/$defs/node"}}}}, "$ref": "#/$defs/node"},
    {"properties": {"self": {"$ref": "#"}}},
    {"items": True},
    nested(MOST_DEPTH),
    {"properties": {str(number): TEXT for number in range(MOST_NODES - 1)}},
]


@pytest.mark.parametrize("schema", SOUND)
def test_sound_schemas(schema: dict[str, Any]) -> None:
    check_schema(schema, "p")


@pytest.mark.parametrize(
    ("schema", "param"),
    [
        ({"type": "text"}, "p.type"),
        ({"type": []}, "p.type"),
        ({"type": {}}, "p.type"),
        ({"properties": []}, "p.properties"),
        ({"properties": {"a": 5}}, "p.properties.a"),
        ({"required": "a"}, "p.required"),
        ({"enum": []}, "p.enum"),
        ({"enum": "a"}, "p.enum"),
        ({"enum": [{}]}, "p.enum"),
        ({"enum": ["x"] * 501}, "p.enum"),
        ({"const": ["x"]}, "p.const"),
        ({"enum": ["x" * 20_000]}, "p"),
        ({"anyOf": []}, "p.anyOf"),
        ({"anyOf": [TEXT] * 17}, "p.anyOf"),
        ({"anyOf": [TEXT, {"not": TEXT}]}, "p.anyOf.1.not"),
        ({"maxItems": 10**6}, "p.maxItems"),
        ({"maxItems": -1}, "p.maxItems"),
        ({"maxItems": True}, "p.maxItems"),
        ({"minimum": "0"}, "p.minimum"),
        ({"minimum": 10**300}, "p.minimum"),
        ({"pattern": "a"}, "p.pattern"),
        ({"maxLength": 5}, "p.maxLength"),
        ({"format": "regex"}, "p.format"),
        ({"format": []}, "p.format"),
        ({"$ref": "http://example.org/schema"}, "p.$ref"),
        ({"$ref": "#/$defs/nothing"}, "p.$ref"),
        ({"$ref": "#/$defs/a", "$defs": "a"}, "p.$defs"),
        ({"$ref": "file:///etc/passwd"}, "p.$ref"),
        ({"if": TEXT}, "p.if"),
        ({"patternProperties": {}}, "p.patternProperties"),
        (nested(MOST_DEPTH + 1), "p" + ".items" * MOST_DEPTH),
        ({"properties": {str(number): TEXT for number in range(MOST_NODES)}}, "p"),
    ],
)
def test_schemas_that_are_refused(schema: dict[str, Any], param: str) -> None:
    with pytest.raises(RequestError) as refused:
        check_schema(schema, "p")
    assert refused.value.status == 400
    assert refused.value.param in (param, "p.$ref" if "$ref" in schema else param)
    assert not is_enforceable(schema)


def test_parameters_are_an_object() -> None:
    with pytest.raises(RequestError):
        check_schema({"type": "array"}, "p", arguments=True)
    check_schema({}, "p", arguments=True)
