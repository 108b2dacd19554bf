"""All metrics, in the order in which reports show them."""

from benchmarks.metrics.end_to_end_latency import END_TO_END_LATENCY
from benchmarks.metrics.inter_release_gap import INTER_RELEASE_GAP
from benchmarks.metrics.inter_token_latency import INTER_TOKEN_LATENCY
from benchmarks.metrics.judge_cached_tokens import JUDGE_CACHED_TOKENS
from benchmarks.metrics.judge_calls import JUDGE_CALLS
from benchmarks.metrics.judge_latency import JUDGE_LATENCY
from benchmarks.metrics.judge_tokens import JUDGE_TOKENS
from benchmarks.metrics.metric import Metric
from benchmarks.metrics.output_tokens import OUTPUT_TOKENS
from benchmarks.metrics.output_tokens_per_second import OUTPUT_TOKENS_PER_SECOND
from benchmarks.metrics.requests_per_second import REQUESTS_PER_SECOND
from benchmarks.metrics.time_to_block import TIME_TO_BLOCK
from benchmarks.metrics.time_to_first_byte import TIME_TO_FIRST_BYTE
from benchmarks.metrics.time_to_first_released_token import TIME_TO_FIRST_RELEASED_TOKEN
from benchmarks.metrics.time_to_first_token import TIME_TO_FIRST_TOKEN
from benchmarks.metrics.tokens_exposed import TOKENS_EXPOSED
from benchmarks.metrics.tokens_generated import TOKENS_GENERATED
from benchmarks.metrics.tokens_judged import TOKENS_JUDGED
from benchmarks.metrics.tokens_released import TOKENS_RELEASED
from benchmarks.metrics.tokens_wasted import TOKENS_WASTED

METRICS: tuple[Metric, ...] = (
    OUTPUT_TOKENS_PER_SECOND,
    REQUESTS_PER_SECOND,
    TIME_TO_FIRST_BYTE,
    TIME_TO_FIRST_TOKEN,
    TIME_TO_FIRST_RELEASED_TOKEN,
    INTER_TOKEN_LATENCY,
    INTER_RELEASE_GAP,
    END_TO_END_LATENCY,
    TIME_TO_BLOCK,
    OUTPUT_TOKENS,
    JUDGE_CALLS,
    JUDGE_LATENCY,
    JUDGE_TOKENS,
    JUDGE_CACHED_TOKENS,
    TOKENS_GENERATED,
    TOKENS_JUDGED,
    TOKENS_RELEASED,
    TOKENS_WASTED,
    TOKENS_EXPOSED,
)
