"""Recipes and lexicons are YAML files of strict models; what is wrong with one is said in one error."""

from pathlib import Path
from typing import TypeVar

import yaml
from pydantic import BaseModel, ConfigDict


class Strict(BaseModel):
    """Unknown fields are errors. Types are converted, since YAML has lists where these models have tuples."""

    model_config = ConfigDict(frozen=True, extra="forbid")


Model = TypeVar("Model", bound=Strict)


def read_model(kind: type[Model], path: Path, wrong: type[ValueError]) -> Model:
    """Read one model from YAML. Raises `wrong`; the message names the file and the field."""
    what = kind.__name__.lower()
    try:
        return kind.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
    except OSError as error:
        raise wrong(f"{what} {path}: {error.strerror}") from error
    except RecursionError as error:
        raise wrong(f"{what} {path}: nested too deeply") from error
    except (yaml.YAMLError, ValueError) as error:
        # A wrong field, bytes that are no UTF-8, a date that does not exist.
        raise wrong(f"{what} {path}: {error}") from error
