"""Paths as people write them in settings: `~` is the home folder."""

from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator


def expanded(path: Path) -> Path:
    """The path with its `~` or `~name` replaced. Raises ValueError where there is no such home folder."""
    try:
        return path.expanduser()
    except RuntimeError as error:
        raise ValueError(f"{path}: there is no such home folder") from error


UserPath = Annotated[Path, AfterValidator(expanded)]
