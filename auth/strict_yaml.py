"""YAML of bounded depth in which no key silently replaces an earlier one (YAML 1.2.2, section 3.2.1.3)."""

import re
from collections.abc import Hashable
from typing import Any, Final

import yaml

DEEPEST: Final = 64
"""Mappings and lists within each other, at most."""

MOST_REPEATED: Final = 100_000
"""Values that aliases may repeat, all together: a few lines of them could stand for billions."""

_MERGE: Final = "tag:yaml.org,2002:merge"
_HALF_CHARACTER: Final = re.compile("[\ud800-\udfff]")


class UnreadableYaml(yaml.YAMLError):
    """A text is no YAML, or none that is read here; the message is one sentence and says where."""


class DuplicateKey(UnreadableYaml):
    """A mapping has a key twice; the message names it."""


def load(text: str) -> Any:
    """Parse one document as `yaml.safe_load` does. Raises `UnreadableYaml`, `DuplicateKey` among them."""
    try:
        # A subclass of SafeLoader, as the rule asks; the linter cannot see that.
        return yaml.load(text, Loader=_StrictLoader)  # noqa: S506
    except UnreadableYaml:
        raise
    except yaml.MarkedYAMLError as error:
        raise UnreadableYaml(_sentence(error)) from error
    except yaml.YAMLError as error:
        raise UnreadableYaml(" ".join(str(error).split())) from error
    except ValueError as error:
        # A date that does not exist; a number of thousands of digits, with Python's advice to programmers.
        raise UnreadableYaml(f"a value cannot be read: {str(error).partition(';')[0]}") from error
    except (ArithmeticError, AttributeError, LookupError, TypeError) as error:
        # What PyYAML makes of `!!bool 7` and `!!timestamp x`.
        raise UnreadableYaml("a value is not what its tag says") from error


class _StrictLoader(yaml.SafeLoader):
    def __init__(self, stream: str) -> None:
        super().__init__(stream)
        self._checked: set[int] = set()
        self._depth = 0
        self._size = 0
        self._repeated = 0
        self._sizes: dict[int, int] = {}

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        """Every node comes through here before anything is made of it. Sizes count what aliases repeat."""
        event: yaml.Event = self.peek_event()  # type: ignore[no-untyped-call]  # the stubs lack its types
        line = 1 + (event.start_mark.line if event.start_mark else 0)
        if isinstance(event, yaml.AliasEvent):
            node = super().compose_node(parent, index)
            self._repeat(self._sizes.get(id(node)), line)
            return node
        if self._depth >= DEEPEST:
            raise UnreadableYaml(f"nested more than {DEEPEST} levels deep, in line {line}")
        before = self._size
        self._size += 1
        self._depth += 1
        node = super().compose_node(parent, index)
        self._depth -= 1
        self._sizes[id(node)] = self._size - before
        if isinstance(node, yaml.ScalarNode) and _HALF_CHARACTER.search(node.value):
            raise UnreadableYaml(f"half a surrogate pair is no text, in line {line}")
        return node

    def _repeat(self, size: int | None, line: int) -> None:
        if size is None:
            raise UnreadableYaml(f"an alias in line {line} stands for what contains it")
        self._size += size
        self._repeated += size
        if self._repeated > MOST_REPEATED:
            raise UnreadableYaml(f"aliases repeat more than {MOST_REPEATED} values, in line {line}")

    def flatten_mapping(self, node: yaml.MappingNode) -> None:
        """Every mapping comes through here, merged ones too: before that, its keys are only its own."""
        if id(node) not in self._checked:
            self._checked.add(id(node))
            self._refuse_repeated_keys(node)
        super().flatten_mapping(node)

    def _refuse_repeated_keys(self, node: yaml.MappingNode) -> None:
        lines: dict[Hashable, int] = {}
        for key_node, _ in node.value:
            key = "<<" if key_node.tag == _MERGE else self.construct_object(key_node, deep=True)
            if not isinstance(key, Hashable):
                continue  # refused where the mapping is made
            line = key_node.start_mark.line + 1
            if key in lines:
                raise DuplicateKey(f"the key {key!r} is given twice, in line {lines[key]} and in line {line}")
            lines[key] = line


def _sentence(error: yaml.MarkedYAMLError) -> str:
    """What PyYAML says over several lines, with an excerpt that may be anything."""
    said = ", ".join(" ".join(part.split()) for part in (error.context, error.problem) if part)
    mark = error.problem_mark or error.context_mark
    return said if mark is None else f"{said}, in line {mark.line + 1}, column {mark.column + 1}"
