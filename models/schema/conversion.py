"""What is done to a model's files before they can be served."""

from typing import Literal

from pydantic import Field

from models.schema.strict import InsidePath, Sha256, Strict


class Adapter(Strict):
    """A LoRA adapter that travels with Mizan and is merged into the converted weights."""

    folder: InsidePath = Field(description="Folder below this package.")
    files: dict[InsidePath, Sha256] = Field(min_length=1, description="Digests of what is read from it.")


class GgufConversion(Strict):
    """GGUF weights to bfloat16 safetensors and a tokenizer, which is what vLLM serves fastest."""

    kind: Literal["gguf"]
    artefact: InsidePath = Field(description="The GGUF file among the artefacts.")
    prepend_bos: bool = Field(
        default=False, description="The tokenizer must start every text with its bos token."
    )
    split_digits: bool = Field(default=False, description="The tokenizer must treat every digit on its own.")
    result_bytes: int = Field(gt=0, description="Rough size of the result, for the check of free space.")
    adapter: Adapter | None = Field(default=None, description="Merged into the weights after conversion.")
    reproduces: Sha256 | None = Field(
        default=None,
        description="Model digest that the pinned converter gives. Another one is reported, not refused: the "
        "GGUF's digest is what is trusted.",
    )
