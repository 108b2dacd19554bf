"""Which template speaks to which family of judge models."""

from collections.abc import Callable, Mapping, Sequence

from models.stated_error import StatedError
from serving.judging.calibration import UNCALIBRATED, Calibration
from serving.judging.templates.base import Template
from serving.judging.templates.granite_guardian import EXCHANGE, PROTOCOL, GraniteGuardian
from serving.judging.templates.llama_guard import LLAMA_3, LLAMA_4, LlamaGuard
from serving.judging.templates.mizan import Mizan
from serving.judging.templates.qwen3guard import Qwen3Guard
from serving.judging.templates.shieldgemma import ShieldGemma
from serving.judging.templates.yes_no import MISTRAL, PLAIN, YesNo


class UnknownFamilyError(StatedError, ValueError):
    """No template for this family."""


def _llama_guard(lineage: Sequence[str], _: Calibration) -> Template:
    newer = any("llama-guard-4" in name.lower() for name in lineage)
    return LlamaGuard(LLAMA_4 if newer else LLAMA_3)


def _granite_guardian(lineage: Sequence[str], _: Calibration) -> Template:
    earlier = any(f"granite-guardian-3.{minor}" in name.lower() for name in lineage for minor in range(3))
    return GraniteGuardian(EXCHANGE if earlier else PROTOCOL)


def _yes_no(lineage: Sequence[str], _: Calibration) -> Template:
    return YesNo(MISTRAL if any("mistral" in name.lower() for name in lineage) else PLAIN)


_FAMILIES: Mapping[str, Callable[[Sequence[str], Calibration], Template]] = {
    "granite_guardian": _granite_guardian,
    "llama_guard": _llama_guard,
    "mizan": lambda lineage, calibration: Mizan(calibration),  # noqa: ARG005  one signature for all
    "qwen3guard": lambda lineage, _: Qwen3Guard(),  # noqa: ARG005  one signature for all
    "shieldgemma": lambda lineage, _: ShieldGemma(),  # noqa: ARG005  one signature for all
    "yes_no": _yes_no,
}

FAMILIES = tuple(_FAMILIES)


def template_of(
    family: str, lineage: Sequence[str] = (), calibration: Calibration = UNCALIBRATED
) -> Template:
    """The template of a family; the entry's `lineage` picks its dialect. Raises UnknownFamilyError."""
    try:
        return _FAMILIES[family](lineage, calibration)
    except KeyError as error:
        raise UnknownFamilyError(f"judge family {family!r}: known are {', '.join(FAMILIES)}") from error
