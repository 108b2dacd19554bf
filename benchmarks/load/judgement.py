"""The figures of the `judgement` object that a judged answer carries.

Every figure is optional: another server sends none, another version sends fewer. Nothing here fails.
"""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Judgement:
    """What the judge did for one answer; None: not reported.

    `latency_ms` is the sum over its `calls`. `judge_tokens` are the prompt tokens the judge was given, of
    which `judge_cached_tokens` came from its prefix cache. The rest are tokens of the answering model.
    """

    outcome: str | None = None
    mode: str | None = None
    calls: int | None = None
    latency_ms: float | None = None
    judge_tokens: int | None = None
    judge_cached_tokens: int | None = None
    tokens_generated: int | None = None
    tokens_judged: int | None = None
    tokens_released: int | None = None
    tokens_wasted: int | None = None
    tokens_exposed: int | None = None


def read_judgement(found: object) -> Judgement | None:
    """The figures in a `judgement` object; None if there is no such object."""
    if not isinstance(found, Mapping):
        return None
    tokens, judge_tokens = found.get("tokens"), found.get("judge_tokens")
    return Judgement(
        outcome=_text(found, "outcome"),
        mode=_text(found.get("policy"), "mode"),
        calls=_count(found, "calls"),
        latency_ms=_number(found, "latency_ms"),
        judge_tokens=_count(judge_tokens, "prompt"),
        judge_cached_tokens=_count(judge_tokens, "cached"),
        tokens_generated=_count(tokens, "generated"),
        tokens_judged=_count(tokens, "judged"),
        tokens_released=_count(tokens, "released"),
        tokens_wasted=_count(tokens, "wasted"),
        tokens_exposed=_count(tokens, "exposed"),
    )


def _number(found: object, name: str) -> float | None:
    value = found.get(name) if isinstance(found, Mapping) else None
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def _count(found: object, name: str) -> int | None:
    value = _number(found, name)
    return None if value is None else int(value)


def _text(found: object, name: str) -> str | None:
    value = found.get(name) if isinstance(found, Mapping) else None
    return value if isinstance(value, str) else None
