"""The catalog: bundled entries and the operator's own, one YAML file per model."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import yaml
from pydantic import ValidationError

from models.entry import ModelEntry
from models.errors import CatalogError, UnknownModel
from models.schema.origin import LocalSource
from models.settings import ModelsSettings

BUNDLED = Path(__file__).parent / "entries"


@dataclass(frozen=True)
class Catalog:
    """Every known model by id."""

    entries: Mapping[str, ModelEntry]

    def get(self, model_id: str) -> ModelEntry:
        """The entry of this id.

        Raises:
            UnknownModel: no such id.
        """
        try:
            return self.entries[model_id]
        except KeyError:
            known = ", ".join(sorted(self.entries))
            raise UnknownModel(f"no model {model_id!r} in the catalog (known: {known})") from None

    def __iter__(self) -> Iterator[ModelEntry]:
        return iter(sorted(self.entries.values(), key=lambda entry: (entry.role != "native", entry.id)))

    @property
    def embedded(self) -> tuple[ModelEntry, ...]:
        """The models of the default stack."""
        return tuple(entry for entry in self if entry.embedded)


def load_catalog(settings: ModelsSettings) -> Catalog:
    """Read the bundled entries, then those of `settings.catalog_dir`, which replace bundled ones of their id.

    Raises:
        CatalogError: a file is unreadable or invalid, or two files of one folder share an id.
    """
    entries = _read_folder(BUNDLED)
    if settings.catalog_dir is not None:
        if not settings.catalog_dir.is_dir():
            raise CatalogError(f"models.catalog_dir {settings.catalog_dir} is not a folder")
        entries.update(_read_folder(settings.catalog_dir))
    return Catalog(entries)


def _read_folder(folder: Path) -> dict[str, ModelEntry]:
    entries: dict[str, ModelEntry] = {}
    for file in sorted(folder.glob("*.yaml")):
        entry = read_entry(file)
        if entry.id in entries:
            raise CatalogError(f"{file}: the id {entry.id!r} is already taken by another file of this folder")
        entries[entry.id] = entry
    return entries


def read_entry(file: Path) -> ModelEntry:
    """One entry from its file.

    Raises:
        CatalogError: unreadable, not YAML, or against the schema; the text names the field.
    """
    try:
        document = yaml.safe_load(file.read_text(encoding="utf-8"))
        entry = ModelEntry.model_validate(document)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(step) for step in first["loc"]) or "entry"
        raise CatalogError(f"{file}: {where}: {first['msg']}") from error
    except RecursionError as error:
        raise CatalogError(f"{file}: nested too deeply") from error
    except (OSError, ValueError, yaml.YAMLError) as error:
        # Bytes that are no UTF-8 and dates that do not exist are ValueErrors.
        raise CatalogError(f"{file}: {error}") from error
    if isinstance(entry.source, LocalSource) and not entry.source.path.expanduser().is_absolute():
        absolute = (file.parent / entry.source.path.expanduser()).resolve()
        return entry.model_copy(update={"source": entry.source.model_copy(update={"path": absolute})})
    return entry
