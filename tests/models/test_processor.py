"""The number type follows from the processor alone."""

import platform
from pathlib import Path

import pytest

from models import processor


@pytest.mark.parametrize(
    ("fast", "wanted", "computed"),
    [
        (True, "bfloat16", "bfloat16"),
        (False, "bfloat16", "float32"),
        (False, "float32", "float32"),
        (False, "auto", "auto"),
    ],
)
def test_bfloat16_is_computed_in_float32_where_it_is_slow(
    monkeypatch: pytest.MonkeyPatch, fast: bool, wanted: str, computed: str
) -> None:
    monkeypatch.setattr(processor, "multiplies_bfloat16", lambda: fast)
    assert processor.number_type(wanted) == computed


@pytest.mark.skipif(platform.machine() != "x86_64", reason="flags of x86 processors are asked")
def test_this_processor_is_known() -> None:
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    flags = set(next(line for line in lines if line.startswith("flags")).split())
    if "avx_ne_convert" in flags:
        pytest.skip("bfloat16 without AVX-512: no such processor was at hand to learn from")
    assert processor.multiplies_bfloat16() == (flags >= {"avx512bw", "avx512vl", "avx512dq"})
