"""The converter process: `python -m models.gguf_conversion FILE.gguf FOLDER OPTIONS` (GGUF to safetensors).

GGUF's tokenizer metadata say less than the original tokenizer files, so what they lose is given by
the catalog entry and put back here.
"""

import hashlib
import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from models.schema.conversion import Adapter, GgufConversion


def main(gguf: Path, into: Path, options: GgufConversion) -> None:
    """Convert one file; the folder receives config, generation config, weights and tokenizer.

    With an adapter they are merged, and the folder receives the adapter's calibration too.
    """
    if options.adapter is None:
        convert(gguf, into, options)
        return
    from models.training.merge import merge_adapter  # noqa: PLC0415 - as below

    base = into.with_name(f"{into.name}.base")
    base.mkdir()
    convert(gguf, base, options)
    merge_adapter(base, adapter_folder(options.adapter), into)
    shutil.rmtree(base)


def adapter_folder(adapter: Adapter) -> Path:
    """The adapter's folder, once its files have been checked.

    Raises:
        ValueError: a file is missing or is not the pinned one.
    """
    folder = Path(__file__).parent / adapter.folder
    for name, expected in adapter.files.items():
        file = folder / name
        if not file.is_file() or hashlib.sha256(file.read_bytes()).hexdigest() != expected:
            raise ValueError(f"the adapter's {name} is not the one that the catalog pins")
    return folder


def convert(gguf: Path, into: Path, options: GgufConversion) -> None:
    """Write what the GGUF file holds in the form that is served."""
    import torch  # noqa: PLC0415 - the tests of the repairs need no torch
    from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig  # noqa: PLC0415 - the tests of the repairs need no torch

    tokenizer = AutoTokenizer.from_pretrained(gguf.parent, gguf_file=gguf.name)
    tokenizer.save_pretrained(into)
    del tokenizer
    model = AutoModelForCausalLM.from_pretrained(
        gguf.parent,
        gguf_file=gguf.name,
        quantization_config=GgufConfig(dequantize=True),
        dtype=torch.bfloat16,
    )
    model.save_pretrained(into)
    _rewrite(into / "tokenizer.json", lambda document: repair_tokenizer(document, options, _bos(into)))
    _rewrite(into / "tokenizer_config.json", lambda document: repair_tokenizer_config(document, options))


def repair_tokenizer(document: dict[str, Any], options: GgufConversion, bos: str | None) -> dict[str, Any]:
    """A tokenizer.json with its lost rules put back.

    Args:
        document: parsed tokenizer.json.
        options: which rules to put back.
        bos: the beginning-of-sequence token's text.

    Raises:
        ValueError: bos is to be prepended, but there is none.
    """
    repaired = dict(document)
    if options.split_digits:
        repaired["pre_tokenizer"] = {
            "type": "Sequence",
            "pretokenizers": [{"type": "Digits", "individual_digits": True}, document["pre_tokenizer"]],
        }
    if options.prepend_bos:
        ids = {token["content"]: token["id"] for token in document["added_tokens"]}
        if bos is None or bos not in ids:
            raise ValueError("the tokenizer has no bos token to prepend")
        start = {"SpecialToken": {"id": bos, "type_id": 0}}
        first, second = {"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 1}}
        repaired["post_processor"] = {
            "type": "TemplateProcessing",
            "single": [start, first],
            "pair": [start, first, {"SpecialToken": {"id": bos, "type_id": 1}}, second],
            "special_tokens": {bos: {"id": bos, "ids": [ids[bos]], "tokens": [bos]}},
        }
    return repaired


def repair_tokenizer_config(document: dict[str, Any], options: GgufConversion) -> dict[str, Any]:
    """A tokenizer_config.json without traces of where it was made, and saying whether bos is prepended."""
    kept = {key: value for key, value in document.items() if key not in {"is_local", "local_files_only"}}
    return {**kept, "add_bos_token": True} if options.prepend_bos else kept


def _bos(folder: Path) -> str | None:
    bos = json.loads((folder / "tokenizer_config.json").read_text(encoding="utf-8")).get("bos_token")
    text = bos["content"] if isinstance(bos, dict) else bos
    return None if text is None else str(text)


def _rewrite(file: Path, change: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
    document = change(json.loads(file.read_text(encoding="utf-8")))
    file.write_text(json.dumps(document, ensure_ascii=False, indent=2), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), GgufConversion.model_validate_json(sys.argv[3]))
