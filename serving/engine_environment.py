"""Environment variables that an engine's process needs before vLLM is imported."""


def engine_environment(accelerator: str, cpus: float) -> dict[str, str]:
    """Environment of an engine's processes; docs/engines.md says what each costs."""
    if accelerator == "gpu":
        return {}
    return {
        "TORCH_COMPILE_DISABLE": "1",
        "OMP_NUM_THREADS": str(max(1, int(cpus))),
        "VLLM_CPU_OMP_THREADS_BIND": "nobind",
        "VLLM_ENABLE_V1_MULTIPROCESSING": "0",
    }
