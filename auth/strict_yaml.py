"""YAML in which no key silently replaces an earlier one (YAML 1.2.2, section 3.2.1.3)."""

from collections.abc import Hashable
from typing import Any, Final

import yaml

_MERGE: Final = "tag:yaml.org,2002:merge"


class DuplicateKey(yaml.YAMLError):
    """A mapping has a key twice; the message is one sentence that names it."""


def load(text: str) -> Any:
    """Parse one document as `yaml.safe_load` does. Raises `yaml.YAMLError`, `DuplicateKey` among them."""
    # A subclass of SafeLoader, as the rule asks; the linter cannot see that.
    return yaml.load(text, Loader=_UniqueKeyLoader)  # noqa: S506


class _UniqueKeyLoader(yaml.SafeLoader):
    def __init__(self, stream: str) -> None:
        super().__init__(stream)
        self._checked: set[int] = set()

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
