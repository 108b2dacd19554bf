"""Invariant I4: judge and native model share neither weights nor descent."""

from pathlib import PurePosixPath

from models.entry import ModelEntry
from models.errors import NotIndependent
from models.manifest import WEIGHT_SUFFIXES, Manifest


def assert_independent(
    native: ModelEntry, judge: ModelEntry, manifests: tuple[Manifest, Manifest] | None = None
) -> None:
    """Refuse a pair whose judge would excuse its own faults.

    Args:
        native: entry of the model that answers.
        judge: entry of the model that judges.
        manifests: of the prepared native model and judge, in this order; without them only the declared
            lineage and pinned digests are compared.

    Raises:
        NotIndependent: a weight file or an ancestor is shared.
    """
    shared = {_plain(name) for name in native.lineage} & {_plain(name) for name in judge.lineage}
    if shared:
        raise NotIndependent(
            f"judge {judge.id} and native model {native.id} both descend from {', '.join(sorted(shared))}"
        )
    native_weights, judge_weights = _pinned_weights(native), _pinned_weights(judge)
    if manifests is not None:
        native_weights |= manifests[0].weight_digests
        judge_weights |= manifests[1].weight_digests
        recorded = {_plain(name) for name in manifests[0].lineage} & {
            _plain(name) for name in manifests[1].lineage
        }
        if recorded:
            raise NotIndependent(
                f"judge {judge.id} and native model {native.id} were prepared from one lineage"
            )
    common = native_weights & judge_weights
    if common:
        raise NotIndependent(
            f"judge {judge.id} and native model {native.id} share the weight file with sha256 {min(common)}"
        )


def _pinned_weights(entry: ModelEntry) -> frozenset[str]:
    return frozenset(a.sha256 for a in entry.artefacts if PurePosixPath(a.path).suffix in WEIGHT_SUFFIXES)


def _plain(name: str) -> str:
    return name.strip().casefold()
