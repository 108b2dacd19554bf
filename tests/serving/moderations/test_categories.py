"""Judges' findings under the names of OpenAI's categories, and no more than they found."""

from collections.abc import Iterable
from pathlib import Path

import pytest
from openai.types.moderation import Categories

from serving.judging.hazards import (
    GRANITE_GUARDIAN,
    LLAMA_GUARD,
    QWEN3GUARD,
    SHIELDGEMMA,
    Category,
    Hazard,
)
from serving.judging.verdict import Finding
from serving.moderations.categories import CATEGORIES, OF_BROAD_CODE, OF_HAZARD, openai_categories

DOCUMENTED = Path(__file__).parents[3] / "docs" / "api.md"
FAMILIES = (*LLAMA_GUARD, *GRANITE_GUARDIAN, *SHIELDGEMMA, *QWEN3GUARD)


def finding(category: str | None, code: str | None = None) -> Finding:
    return Finding("harm", 0.9, 1.0, 0.5, category, code)


def codes(families: Iterable[Category], *, broad: bool) -> list[str]:
    return [category.code for category in families if (len(category.hazards) > 1) is broad]


def test_the_categories_are_those_of_the_sdk() -> None:
    assert set(CATEGORIES) == {field.alias or name for name, field in Categories.model_fields.items()}


def test_the_tables_lead_to_categories_and_their_parents() -> None:
    for targets in (*OF_HAZARD.values(), *OF_BROAD_CODE.values()):
        assert set(targets) <= set(CATEGORIES)
        assert {target.partition("/")[0] for target in targets} <= set(targets)


def test_what_covers_several_hazards_is_read_by_its_own_code() -> None:
    assert sorted(OF_BROAD_CODE) == sorted(codes(FAMILIES, broad=True))
    assert not set(OF_BROAD_CODE) & set(codes(FAMILIES, broad=False))


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (finding("hate", "S10"), ("hate",)),
        (finding("child_sexual_exploitation", "S4"), ("sexual", "sexual/minors")),
        (finding("indiscriminate_weapons"), ("illicit", "illicit/violent")),
        (finding("suicide_and_self_harm"), ("self-harm",)),
        (finding("violent_crimes", "S1"), ("illicit", "illicit/violent", "violence")),
        (finding("violent_crimes", "Violent"), ("violence",)),
        (finding("violent_crimes", "dangerous"), ()),
        (finding("unethical_acts", "Unethical Acts"), ()),
        (finding("privacy", "S7"), ()),
        (finding("harm"), ()),
        (finding(None), ()),
    ],
)
def test_a_finding_counts_for_what_it_tells(found: Finding, expected: tuple[str, ...]) -> None:
    assert openai_categories(found) == expected


@pytest.mark.parametrize(
    ("names", "table"), [(list(Hazard), OF_HAZARD), (list(OF_BROAD_CODE), OF_BROAD_CODE)]
)
def test_the_documentation_has_the_same_table(names: list[str], table: dict[str, tuple[str, ...]]) -> None:
    page = DOCUMENTED.read_text(encoding="utf-8")
    for name in names:
        targets = ", ".join(f"`{target}`" for target in table.get(name, ())) or "none"
        assert f"`{name}` | {targets} |" in page
