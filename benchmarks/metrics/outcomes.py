"""How the requests ended, counted."""

from collections import Counter
from collections.abc import Iterable

from benchmarks.load.outcomes import Outcome
from benchmarks.load.records import RequestRecord


def count_outcomes(records: Iterable[RequestRecord]) -> dict[Outcome, int]:
    """Requests by outcome; every outcome is there, with 0 where none was seen."""
    counted = Counter(record.outcome for record in records)
    return {outcome: counted[outcome] for outcome in Outcome}
