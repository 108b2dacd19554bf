"""sha256 of files, several at once."""

import hashlib
import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

BLOCK = 4 << 20


def sha256_of(file: Path, on_bytes: Callable[[int], None] | None = None) -> str:
    """Hex digest of a file; `on_bytes` hears of every block's length."""
    digest = hashlib.sha256()
    with file.open("rb", buffering=0) as stream:
        while block := stream.read(BLOCK):
            digest.update(block)
            if on_bytes is not None:
                on_bytes(len(block))
    return digest.hexdigest()


def sha256_of_all(files: Iterable[Path]) -> dict[Path, str]:
    """Digests of many files, in parallel: hashlib releases the interpreter lock on large blocks."""
    listed = list(files)
    with ThreadPoolExecutor(max_workers=min(4, os.cpu_count() or 1)) as pool:
        return dict(zip(listed, pool.map(sha256_of, listed), strict=True))
