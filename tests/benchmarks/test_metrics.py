import pytest

from benchmarks.load.judgement import Judgement, read_judgement
from benchmarks.load.outcomes import Outcome
from benchmarks.metrics.catalogue import METRICS
from benchmarks.metrics.end_to_end_latency import END_TO_END_LATENCY
from benchmarks.metrics.inter_release_gap import INTER_RELEASE_GAP
from benchmarks.metrics.inter_token_latency import INTER_TOKEN_LATENCY
from benchmarks.metrics.metric import RequestMetric
from benchmarks.metrics.outcomes import count_outcomes
from benchmarks.metrics.output_tokens_per_second import OUTPUT_TOKENS_PER_SECOND
from benchmarks.metrics.requests_per_second import REQUESTS_PER_SECOND
from benchmarks.metrics.time_to_block import TIME_TO_BLOCK
from benchmarks.metrics.time_to_first_byte import TIME_TO_FIRST_BYTE
from benchmarks.metrics.time_to_first_released_token import TIME_TO_FIRST_RELEASED_TOKEN
from benchmarks.metrics.time_to_first_token import TIME_TO_FIRST_TOKEN
from benchmarks.metrics.tokens_wasted import TOKENS_WASTED
from tests.benchmarks.timelines import timeline


def one(metric: RequestMetric, record: object) -> float:
    (value,) = metric.values(record)  # type: ignore[arg-type]  # timelines are records
    return value


def test_a_stream_of_single_tokens() -> None:
    record = timeline(100, 120, 140, 160, 180, first_byte_ms=5, end_ms=181)
    assert one(TIME_TO_FIRST_BYTE, record) == 5
    assert one(TIME_TO_FIRST_TOKEN, record) == 100
    assert one(INTER_TOKEN_LATENCY, record) == 20
    assert INTER_RELEASE_GAP.values(record) == [20, 20, 20, 20]
    assert one(END_TO_END_LATENCY, record) == 181
    assert record.token_source == "chunks"


def test_windows_release_bursts() -> None:
    # Nine tokens in three bursts, a few tenths of a millisecond wide.
    record = timeline(200, 200.1, 200.2, 500, 500.3, 500.9, 800, 800.2, 800.4, usage=9, end_ms=810)
    assert INTER_RELEASE_GAP.values(record) == [300, 300]
    assert one(INTER_TOKEN_LATENCY, record) == pytest.approx((800.4 - 200.2) / 6)


def test_a_burst_does_not_grow_without_end() -> None:
    # A server that sends every 0.6 ms is not one endless burst.
    record = timeline(0, 0.6, 1.2, 1.8, 2.4, end_ms=3)
    assert INTER_RELEASE_GAP.values(record) == pytest.approx([1.2, 1.2])


def test_usage_outweighs_chunks() -> None:
    record = timeline(100, 200, usage=11, end_ms=200)
    assert one(INTER_TOKEN_LATENCY, record) == 10
    assert record.token_source == "usage"


def test_no_inter_token_latency_of_one_token_or_one_chunk() -> None:
    assert INTER_TOKEN_LATENCY.values(timeline(100, end_ms=100)) == ()
    assert INTER_TOKEN_LATENCY.values(timeline(100, usage=40, end_ms=100)) == ()
    assert INTER_TOKEN_LATENCY.values(timeline(100, 110, usage=1, end_ms=110)) == ()
    assert INTER_TOKEN_LATENCY.values(timeline(100, 100.1, 100.2, end_ms=110)) == ()


def test_latency_counts_from_the_schedule() -> None:
    record = timeline(100, end_ms=150, first_byte_ms=90, scheduled_ms=-1000)
    assert one(TIME_TO_FIRST_TOKEN, record) == 1100
    assert one(END_TO_END_LATENCY, record) == 1150
    assert one(TIME_TO_FIRST_BYTE, record) == 1090


def test_released_token_only_of_judged_answers() -> None:
    assert TIME_TO_FIRST_RELEASED_TOKEN.values(timeline(100, end_ms=110)) == ()
    assert one(TIME_TO_FIRST_RELEASED_TOKEN, timeline(100, end_ms=110, judgement=Judgement())) == 100


def test_a_refusal_text_is_no_token() -> None:
    record = timeline(300, end_ms=310, outcome=Outcome.BLOCKED, usage=12, judgement=Judgement())
    assert one(TIME_TO_BLOCK, record) == 310
    for metric in (
        TIME_TO_FIRST_TOKEN,
        TIME_TO_FIRST_RELEASED_TOKEN,
        END_TO_END_LATENCY,
        INTER_TOKEN_LATENCY,
    ):
        assert metric.values(record) == ()
    assert OUTPUT_TOKENS_PER_SECOND.amount(record) == 0
    assert REQUESTS_PER_SECOND.amount(record) == 1


@pytest.mark.parametrize("outcome", [outcome for outcome in Outcome if outcome.failed])
def test_failed_requests_have_no_latency_and_no_throughput(outcome: Outcome) -> None:
    record = timeline(10, 20, end_ms=30, outcome=outcome, usage=5)
    for metric in METRICS:
        if isinstance(metric, RequestMetric):
            assert not metric.values(record), metric.name
        else:
            assert metric.amount(record) == 0


def test_an_unstreamed_answer_has_no_first_token() -> None:
    record = timeline(100, end_ms=100, usage=30, streamed=False)
    assert TIME_TO_FIRST_TOKEN.values(record) == ()
    assert one(END_TO_END_LATENCY, record) == 100


def test_outcomes_name_those_not_seen() -> None:
    counted = count_outcomes([timeline(1), timeline(1, outcome=Outcome.DROPPED), timeline(2)])
    assert counted[Outcome.PASSED] == 2
    assert counted[Outcome.DROPPED] == 1
    assert set(counted) == set(Outcome)
    assert sum(counted.values()) == 3


def test_judgement_as_the_gateway_sends_it() -> None:
    found = read_judgement(
        {
            "outcome": "passed",
            "policy": {"id": "default", "mode": "window"},
            "calls": 3,
            "latency_ms": 41.5,
            "judge_tokens": {"prompt": 300, "cached": 256},
            "tokens": {"generated": 40, "judged": 40, "released": 32, "wasted": 8, "exposed": 0},
        }
    )
    assert found == Judgement("passed", "window", 3, 41.5, 300, 256, 40, 40, 32, 8, 0)
    assert one(TOKENS_WASTED, timeline(1, judgement=found)) == 8


@pytest.mark.parametrize("found", [None, [], "x", 3])
def test_no_judgement(found: object) -> None:
    assert read_judgement(found) is None


def test_judgement_with_odd_figures_is_read_as_far_as_it_goes() -> None:
    odd = {"calls": True, "latency_ms": "fast", "tokens": [1], "judge_tokens": {"prompt": 4}}
    assert read_judgement(odd) == Judgement(judge_tokens=4)


def test_metrics_describe_themselves() -> None:
    assert len({metric.name for metric in METRICS}) == len(METRICS)
    for metric in METRICS:
        assert metric.what
        assert metric.unit
        assert metric.title
