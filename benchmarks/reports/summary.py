"""From rounds to the figures of a report."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict

from benchmarks.arms.comparison import Ratio, compare_rates, compare_values
from benchmarks.load.outcomes import Outcome
from benchmarks.load.records import Round
from benchmarks.metrics.catalogue import METRICS
from benchmarks.metrics.metric import Metric, RateMetric, RequestMetric
from benchmarks.metrics.outcomes import count_outcomes
from benchmarks.metrics.percentiles import percentiles
from benchmarks.reports.document import ArmLevel, Comparison, Distribution, RoundFacts


def summarise(rounds: Sequence[Round], baseline: str) -> tuple[ArmLevel, ...]:
    """Every arm at every concurrency, in the order in which they first ran."""
    groups: dict[tuple[int, str], list[Round]] = {}
    for done in rounds:
        groups.setdefault((done.concurrency, done.arm), []).append(done)
    return tuple(
        _level(done, [] if arm == baseline else groups.get((concurrency, baseline), []))
        for (concurrency, arm), done in groups.items()
    )


def _level(rounds: Sequence[Round], baseline: Sequence[Round]) -> ArmLevel:
    records = [record for done in rounds for record in done.records]
    wall_s = sum(done.wall_s for done in rounds)
    rates: dict[str, float] = {}
    distributions: dict[str, Distribution] = {}
    for metric in METRICS:
        if isinstance(metric, RateMetric):
            rates[metric.name] = sum(map(metric.amount, records)) / wall_s
        elif (
            found := percentiles([value for record in records for value in metric.values(record)])
        ) is not None:
            distributions[metric.name] = Distribution(**asdict(found))
    passed = [record for record in records if record.outcome is Outcome.PASSED]
    failures = Counter(f"{record.outcome}: {record.detail}" for record in records if record.outcome.failed)
    return ArmLevel(
        arm=rounds[0].arm,
        concurrency=rounds[0].concurrency,
        requests=len(records),
        outcomes={outcome.value: count for outcome, count in count_outcomes(records).items()},
        token_sources=dict(Counter(record.token_source for record in passed)),
        failures=dict(failures.most_common(5)),
        rates=rates,
        distributions=distributions,
        against_baseline=_against(rounds, baseline),
        client_cpu_share=sum(done.client_cpu_s for done in rounds) / wall_s,
        rounds=tuple(
            RoundFacts(
                index=done.index,
                requests=len(done.records),
                wall_s=done.wall_s,
                client_cpu_s=done.client_cpu_s,
            )
            for done in rounds
        ),
    )


def _against(rounds: Sequence[Round], baseline: Sequence[Round]) -> dict[str, Comparison]:
    base = {done.index: done for done in baseline}
    pairs = [(done, base[done.index]) for done in rounds if done.index in base]
    found = {metric.name: _compare(metric, pairs) for metric in METRICS}
    return {name: Comparison(**asdict(ratio)) for name, ratio in found.items() if ratio is not None}


def _compare(metric: Metric, pairs: Sequence[tuple[Round, Round]]) -> Ratio | None:
    ours, theirs = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
    if isinstance(metric, RateMetric):
        return compare_rates(_rates(metric, ours), _rates(metric, theirs))
    return compare_values(_values(metric, ours), _values(metric, theirs))


def _rates(metric: RateMetric, rounds: Sequence[Round]) -> list[tuple[float, float]]:
    return [(sum(map(metric.amount, done.records)), done.wall_s) for done in rounds]


def _values(metric: RequestMetric, rounds: Sequence[Round]) -> list[list[float]]:
    return [[value for record in done.records for value in metric.values(record)] for done in rounds]
