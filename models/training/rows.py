"""Labelled rows: one JSON object a line, `text` judged as `kind`, with the context it needs."""

import hashlib
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from models.stated_error import StatedError
from models.training.file_names import distinct_names, stems


class DataError(StatedError, ValueError):
    """A data file is missing or holds a row that cannot be used; the message names file and line."""


class Row(BaseModel):
    """One labelled text. For `pair`, `text` is the worse of two answers and `chosen` the better one."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    id: str
    source: str = ""
    lang: str
    kind: Literal["prompt", "response", "comment", "pair"]
    text: str = Field(min_length=1)
    label: Literal["safe", "unsafe", "pair"]
    prompt: str | None = None
    chosen: str | None = None
    category: str | None = None
    licence: str | None = None
    file: str = ""

    @model_validator(mode="after")
    def a_pair_has_both_answers(self) -> Self:
        if (self.kind == "pair") != (self.label == "pair"):  # else it would count as safe
            raise ValueError("kind pair goes with label pair, and with no other")
        if self.kind == "pair" and self.chosen is None:  # saying nothing is an answer: HH-RLHF has such pairs
            raise ValueError("a pair needs its better answer in `chosen`")
        return self


def read_rows(path: Path, name: str | None = None) -> Iterator[Row]:
    """Yield the rows of one file. A row that does not name its `file` gets `name`, or the path's stem.

    Raises DataError with the line that is wrong.
    """
    try:
        lines = path.read_bytes().split(b"\n")
    except OSError as error:
        raise DataError(f"{path}: {error.strerror}") from error
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            yield Row.model_validate(
                {"file": path.stem if name is None else name, **json.loads(line.decode())}
            )
        except ValidationError as error:
            wrong = "; ".join(
                f"{'.'.join(map(str, one['loc'])) or 'row'}: {one['msg']}" for one in error.errors()
            )
            raise DataError(f"{path}:{number}: {wrong}") from error
        except (TypeError, RecursionError) as error:
            raise DataError(f"{path}:{number}: not a JSON object") from error
        except ValueError as error:  # no UTF-8, no JSON, or a number of thousands of digits
            raise DataError(f"{path}:{number}: not JSON in UTF-8: {error}") from error


def read_all(paths: Sequence[Path]) -> list[Row]:
    """Rows of several files, in the order of the paths; those called the same get their folders' names too.

    Raises DataError, also for a file that is given twice: its rows would count double.
    """
    for number, path in enumerate(paths):
        if any(_same(path, other) for other in paths[:number]):
            raise DataError(f"{path}: this file is given twice")
    names = stems(distinct_names(paths))
    return [row for path, name in zip(paths, names, strict=True) for row in read_rows(path, name)]


def digests(paths: Sequence[Path]) -> dict[str, str]:
    """sha256 of each file by name, with folders where two are called the same."""
    named = zip(distinct_names(paths), paths, strict=True)
    return {name: hashlib.sha256(path.read_bytes()).hexdigest() for name, path in named}


def _same(one: Path, other: Path) -> bool:
    try:
        return one.samefile(other)
    except OSError:
        return False  # said where it is read
