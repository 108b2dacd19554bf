"""Which schemas may become a grammar."""

from typing import Any

import pytest

from serving.errors import RequestError
from serving.outputs.json_schema import (
    FORMAT_NODES,
    MOST_DEPTH,
    MOST_NODES,
    MOST_SAID,
    MOST_VALUES,
    check_schema,
    enforceable_size,
)

TEXT = {"type": "string"}
MOST_FORMATS = (MOST_NODES - 1) // (FORMAT_NODES + 1)


def emails(number: int) -> dict[str, Any]:
    return {"properties": {f"e{one}": {"type": "string", "format": "email"} for one in range(number)}}


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
    emails(MOST_FORMATS),
    {"title": "T", "description": "وصف " * 5000, "examples": [{"a": [1, None]}] * 100, "default": {"a": "x"}},
    {"required": [str(number) for number in range(MOST_VALUES)]},
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
        (emails(MOST_FORMATS + 1), "p"),
        ({"examples": [[0]] * MOST_VALUES}, "p.examples"),
        ({"default": {str(number): 0 for number in range(MOST_VALUES)}}, "p.default"),
        ({"title": [[0] * MOST_VALUES]}, "p.title"),
        ({"items": {"examples": [0] * MOST_VALUES}}, "p.items.examples"),
        ({"description": "x" * (MOST_SAID + 1)}, "p"),
        ({"default": {"x" * (MOST_SAID + 1): 0}}, "p"),
        ({"required": ["a"] * (MOST_VALUES + 1)}, "p.required"),
        ({"required": ["x" * 20_000]}, "p"),
        (nested(MOST_DEPTH + 1), "p" + ".items" * MOST_DEPTH),
        ({"properties": {str(number): TEXT for number in range(MOST_NODES)}}, "p"),
    ],
)
def test_schemas_that_are_refused(schema: dict[str, Any], param: str) -> None:
    with pytest.raises(RequestError) as refused:
        check_schema(schema, "p")
    assert refused.value.status == 400
    assert refused.value.param in (param, "p.$ref" if "$ref" in schema else param)
    assert enforceable_size(schema) is None


def test_parameters_are_an_object() -> None:
    with pytest.raises(RequestError):
        check_schema({"type": "array"}, "p", arguments=True)
    check_schema({}, "p", arguments=True)


def test_annotations_reach_the_model_as_they_are() -> None:
    """A tool's descriptions are what the native model reads of it: bounded, not dropped."""
    schema = {"type": "object", "description": "Ouvre la vanne", "examples": [{"valve": 1}]}
    before = repr(schema)
    check_schema(schema, "p", arguments=True)
    assert repr(schema) == before


def test_annotations_count_together() -> None:
    half = {"description": "x" * (MOST_SAID // 2 + 1)}
    assert enforceable_size(half)
    assert enforceable_size({**half, "properties": {"a": half}}) is None
