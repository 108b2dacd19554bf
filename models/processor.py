"""What this machine's processor is good at."""


def multiplies_bfloat16() -> bool:
    """Whether a product of bfloat16 matrices is as fast as one of float32 (on x86 from AVX-512 on).

    Elsewhere float32 is faster: some two hundred times in PyTorch, three to five times in vLLM, which has
    kernels of its own.
    """
    import torch  # noqa: PLC0415 - takes seconds to import, and much of what asks needs nothing else of it

    return bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())


def number_type(wanted: str) -> str:
    """The number type to compute in on the processor, where `wanted` (bfloat16, float32 …) is stored."""
    return "float32" if wanted == "bfloat16" and not multiplies_bfloat16() else wanted
