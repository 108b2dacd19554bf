"""The hub source against a stand-in for the hub's client: what is asked, what is said when it fails."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import huggingface_hub
import pytest
from huggingface_hub.errors import LocalEntryNotFoundError

from models.catalog import load_catalog
from models.entry import ModelEntry
from models.errors import CatalogError, DigestMismatch, NotEnoughSpace, SourceError, UnpinnedModel
from models.locate import locate
from models.pinning import pin
from models.prepare import prepare
from models.progress import Silent
from models.schema.origin import HubSource
from models.settings import ModelsSettings
from tests.models.tiny import CONFIG, WEIGHTS, base_document, sha256

COMMIT = "c0ffee" + "0" * 34
FILES = {"model.safetensors": WEIGHTS, "config.json": CONFIG}


def hub_entry(**changes: Any) -> ModelEntry:
    source = {"kind": "hub", "repo": "owner/tiny", "allow": ["*.safetensors"], **changes.pop("source", {})}
    return ModelEntry.model_validate(base_document(source=source, **changes))


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[dict[str, Any]]:
    """Replaces the hub; the list collects what it was asked."""
    calls: list[dict[str, Any]] = []

    def snapshot_download(repo: str, **options: Any) -> str:
        calls.append({"repo": repo, **options})
        folder = Path(options["local_dir"] or tmp_path / "hub-cache")
        (folder / ".cache" / "huggingface").mkdir(parents=True, exist_ok=True)
        (folder / ".cache" / "huggingface" / "x.lock").touch()
        for name, data in FILES.items():
            (folder / name).write_bytes(data)
        return str(folder)

    class HfApi:
        def __init__(self, **options: Any) -> None:
            calls.append(options)

        def model_info(self, repo: str, revision: str) -> SimpleNamespace:
            return SimpleNamespace(sha=COMMIT)

    monkeypatch.setattr(huggingface_hub, "snapshot_download", snapshot_download)
    monkeypatch.setattr(huggingface_hub, "HfApi", HfApi)
    return calls


def test_repository_mirror_token_and_patterns_reach_the_client(
    asked: list[dict[str, Any]], settings: ModelsSettings
) -> None:
    mirror = ModelsSettings.model_validate(
        {**settings.model_dump(), "hub_endpoint": "https://hub.example.org", "hub_token": "t0ken"}
    )
    model = prepare(hub_entry(), mirror, Silent())
    assert sorted(path.name for path in model.path.iterdir()) == [
        "config.json",
        "mizan-manifest.json",
        "model.safetensors",
    ]
    (call,) = asked
    assert (call["repo"], call["revision"], call["allow_patterns"]) == (
        "owner/tiny",
        "main",
        ["*.safetensors"],
    )
    assert (call["endpoint"], call["token"]) == ("https://hub.example.org", "t0ken")
    assert call["local_files_only"] is False
    assert "t0ken" not in repr(mirror)


def test_offline_takes_the_hubs_own_cache_only(asked: list[dict[str, Any]], settings: ModelsSettings) -> None:
    prepare(hub_entry(), settings.model_copy(update={"offline": True}), Silent())
    assert asked[0]["local_files_only"] is True
    assert asked[0]["local_dir"] is None


def failing(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    def snapshot_download(*_: Any, **__: Any) -> str:
        raise error

    monkeypatch.setattr(huggingface_hub, "snapshot_download", snapshot_download)


def test_what_cannot_be_had_is_a_source_error(
    monkeypatch: pytest.MonkeyPatch, settings: ModelsSettings
) -> None:
    failing(monkeypatch, LocalEntryNotFoundError("not in the cache\nmore"))
    with pytest.raises(SourceError, match=r"owner/tiny@main: not in the cache$"):
        prepare(hub_entry(), settings, Silent())


def test_full_disk_is_told_apart(monkeypatch: pytest.MonkeyPatch, settings: ModelsSettings) -> None:
    failing(monkeypatch, OSError(28, "No space left on device"))
    with pytest.raises(NotEnoughSpace):
        prepare(hub_entry(), settings, Silent())


def test_pinned_entry_refuses_another_file(asked: list[dict[str, Any]], settings: ModelsSettings) -> None:
    pins = [{"path": name, "sha256": sha256(data), "size": len(data)} for name, data in FILES.items()]
    prepare(hub_entry(source={"revision": COMMIT}, artefacts=pins), settings, Silent())
    pins[0]["sha256"] = "0" * 64
    with pytest.raises(DigestMismatch):
        prepare(hub_entry(source={"revision": COMMIT}, artefacts=pins), settings, Silent())


def test_pinning_writes_an_entry_that_production_takes(
    asked: list[dict[str, Any]], settings: ModelsSettings, tmp_path: Path
) -> None:
    production = settings.model_copy(update={"catalog_dir": tmp_path / "catalog", "production": True})
    with pytest.raises(UnpinnedModel):
        prepare(hub_entry(), production, Silent())
    model, file = pin(hub_entry(), production, Silent())
    assert file == tmp_path / "catalog" / "tiny.yaml"
    entry = load_catalog(production).get("tiny")
    assert entry == model.entry
    assert entry.pinned
    assert isinstance(entry.source, HubSource)
    assert entry.source.revision == COMMIT
    assert {artefact.path: artefact.sha256 for artefact in entry.artefacts} == {
        name: sha256(data) for name, data in FILES.items()
    }
    assert locate(entry, production).digest == model.digest


def test_pinning_needs_a_folder_to_write_to(settings: ModelsSettings) -> None:
    with pytest.raises(CatalogError, match="catalog_dir"):
        pin(hub_entry(), settings, Silent())


def test_pinning_offline_is_refused(settings: ModelsSettings, tmp_path: Path) -> None:
    offline = settings.model_copy(update={"catalog_dir": tmp_path / "catalog", "offline": True})
    with pytest.raises(SourceError, match="offline"):
        pin(hub_entry(), offline, Silent())
