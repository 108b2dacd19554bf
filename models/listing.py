"""The models of the catalog as rows of a table."""

from collections.abc import Iterable
from typing import Any

from rich import box
from rich.table import Table
from rich.text import Text

from models.entry import ModelEntry
from models.errors import Corrupted, NotPrepared
from models.schema.origin import PackageSource
from models.settings import ModelsSettings


def rows_of(entries: Iterable[ModelEntry], settings: ModelsSettings) -> list[dict[str, Any]]:
    """What a listing says of each model; whether it is prepared is a quick check."""
    return [
        {
            "id": entry.id,
            "role": entry.role,
            "version": entry.version,
            "licence": entry.licence.name,
            "source": source_of(entry),
            "pinned": entry.pinned,
            "embedded": entry.embedded,
            "prepared": state_of(entry, settings),
        }
        for entry in entries
    ]


def table_of(rows: list[dict[str, Any]]) -> Table:
    """The rows for 80 columns."""
    table = Table(
        box=box.SIMPLE_HEAD,
        pad_edge=False,
        padding=(0, 1),
        collapse_padding=True,
        caption="bold: the embedded default. *: files not fixed by digest, refused in production.",
        caption_justify="left",
    )
    for column in ("id", "role", "version", "prepared", "source"):
        table.add_column(column, no_wrap=True)
    table.add_column("licence", overflow="fold")
    for row in rows:
        cells = [str(row[key]) for key in ("id", "role", "version", "prepared")]
        source = str(row["source"]).split(" ", 1)[0] + ("" if row["pinned"] else "*")
        licence = str(row["licence"]).removeprefix("LicenseRef-")
        texts = map(Text, (*cells, source, licence))  # a catalog's words are no markup
        table.add_row(*texts, style="bold" if row["embedded"] else None)
    return table


def state_of(entry: ModelEntry, settings: ModelsSettings) -> str:
    """Whether a model is prepared: yes, no, or corrupted."""
    from models.locate import inspect  # noqa: PLC0415 - keeps `mizan --help` fast

    try:
        inspect(entry, settings)
    except NotPrepared:
        return "no"
    except Corrupted:
        return "corrupted"
    return "yes"


def source_of(entry: ModelEntry) -> str:
    """Where a model comes from, in a few words."""
    match entry.source:
        case PackageSource() as source:
            first = source.distributions[0]
            more = f" +{len(source.distributions) - 1}" if len(source.distributions) > 1 else ""
            return f"package {first.name}=={first.version}{more}"
        case source if source.kind == "hub":
            revision = "" if source.revision == "main" else f"@{source.revision[:12]}"
            return f"hub {source.repo}{revision}"
        case source:
            return f"local {source.path}"
