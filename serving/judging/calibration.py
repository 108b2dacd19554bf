"""Calibration of a judge: what its raw log-odds mean, and from which probability it flags."""

from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from models.stated_error import StatedError
from serving.judging.conversation import Stage

FILE = "calibration.json"
"""Name of the file beside the weights."""


class CalibrationError(StatedError, ValueError):
    """A calibration file is unreadable or wrong; the message names the field."""


class Calibration(BaseModel):
    """Fitted on a development split, never on what a judge is measured with."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    temperature: float = Field(
        default=1.0, gt=0, allow_inf_nan=False, description="Divides the label log-probabilities."
    )
    thresholds: dict[Stage, Annotated[float, Field(ge=0, le=1)]] = Field(
        default_factory=dict, description="Probability from which a stage is flagged; 0.5 where absent."
    )

    several_pieces: dict[Stage, Annotated[float, Field(ge=0, allow_inf_nan=False)]] = Field(
        default_factory=dict,
        description="How much log-odds are lowered where the worst of several pieces counts; else 0.",
    )

    def threshold(self, stage: Stage) -> float:
        return self.thresholds.get(stage, 0.5)


UNCALIBRATED = Calibration()


def load_calibration(folder: Path) -> Calibration:
    """The calibration beside a model's weights; neutral where there is none. Raises CalibrationError."""
    path = folder / FILE
    try:
        return Calibration.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        return UNCALIBRATED
    except (OSError, ValidationError) as error:
        raise CalibrationError(f"{path}: {error}") from error
