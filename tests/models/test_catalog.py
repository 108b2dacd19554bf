"""The schema refuses what is not safe or not complete; every bundled entry satisfies it and vLLM's names."""

import ast
import importlib.util
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from models.catalog import BUNDLED, load_catalog, read_entry
from models.entry import ModelEntry
from models.errors import CatalogError, UnknownModel
from models.independence import assert_independent
from models.schema.origin import HubSource
from models.settings import ModelsSettings
from tests.models.tiny import Tiny, base_document

BUNDLED_FILES = sorted(BUNDLED.glob("*.yaml"))


def vllm_file(relative: str) -> ast.Module:
    spec = importlib.util.find_spec("vllm")
    if spec is None or spec.origin is None:
        pytest.skip("vllm is not installed")
    return ast.parse((Path(spec.origin).parent / relative).read_text(encoding="utf-8"))


def engine_argument_names() -> set[str]:
    classes = [node for node in vllm_file("engine/arg_utils.py").body if isinstance(node, ast.ClassDef)]
    return {
        field.target.id
        for node in classes
        if node.name in {"EngineArgs", "AsyncEngineArgs"}
        for field in node.body
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name)
    }


@pytest.mark.parametrize("file", BUNDLED_FILES, ids=lambda file: file.stem)
def test_bundled_entry_is_complete(file: Path) -> None:
    entry = read_entry(file)
    assert entry.id == file.stem
    assert set(entry.licence.files) <= {artefact.path for artefact in entry.artefacts}
    if isinstance(entry.source, HubSource):
        assert entry.source.repo in entry.lineage
        assert entry.source.allow
    limit = entry.engine.common.get("max_model_len", entry.context_length)
    assert isinstance(limit, int)
    assert limit <= entry.context_length


def test_engine_arguments_are_names_of_the_installed_vllm() -> None:
    names = engine_argument_names()
    assert "kv_cache_memory_bytes" in names
    for entry in load_catalog(ModelsSettings()):
        for arguments in (entry.engine.common, entry.engine.cpu, entry.engine.gpu):
            assert arguments.keys() <= names, entry.id


def test_parsers_are_names_of_the_installed_vllm() -> None:
    registered = {
        node.value
        for node in ast.walk(vllm_file("tool_parsers/__init__.py"))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }
    for entry in load_catalog(ModelsSettings()):
        assert entry.tool_call_parser is None or entry.tool_call_parser in registered


def test_the_embedded_stack_is_pinned_and_independent() -> None:
    native, judge = load_catalog(ModelsSettings()).embedded
    assert (native.role, judge.role) == ("native", "judge")
    assert native.pinned
    assert judge.pinned
    assert_independent(native, judge)


def test_every_native_model_may_be_judged_by_every_judge() -> None:
    catalog = load_catalog(ModelsSettings())
    natives = [entry for entry in catalog if entry.role == "native"]
    judges = [entry for entry in catalog if entry.role == "judge"]
    for native in natives:
        for judge in judges:
            assert_independent(native, judge)


def test_unknown_model_names_the_known_ones() -> None:
    with pytest.raises(UnknownModel, match="smollm2-135m-instruct"):
        load_catalog(ModelsSettings()).get("gpt-5")


def test_own_entry_replaces_a_bundled_one(tmp_path: Path) -> None:
    document = base_document(id="smollm2-135m-instruct", title="Ours")
    Tiny(tmp_path, document).write(tmp_path / "ours.yaml")
    catalog = load_catalog(ModelsSettings(catalog_dir=tmp_path))
    assert catalog.get("smollm2-135m-instruct").title == "Ours"
    assert catalog.get("gemma-3-270m").title == "Gemma 3 270M"


def test_one_id_in_two_files_is_refused(tmp_path: Path) -> None:
    for name in ("a.yaml", "b.yaml"):
        Tiny(tmp_path, base_document()).write(tmp_path / name)
    with pytest.raises(CatalogError, match="already taken"):
        load_catalog(ModelsSettings(catalog_dir=tmp_path))


def test_missing_catalog_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(CatalogError, match="catalog_dir"):
        load_catalog(ModelsSettings(catalog_dir=tmp_path / "none"))


@pytest.mark.parametrize("text", ["{", "- a", "\x00", "id: tiny", ""])
def test_broken_file_is_a_catalog_error_naming_the_file(tmp_path: Path, text: str) -> None:
    (tmp_path / "broken.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(CatalogError, match=r"broken\.yaml"):
        read_entry(tmp_path / "broken.yaml")


def test_relative_local_path_is_below_the_catalog_file(tmp_path: Path) -> None:
    file = Tiny(tmp_path, base_document(source={"kind": "local", "path": "weights"})).write(
        tmp_path / "t.yaml"
    )
    assert (
        read_entry(file).source
        == ModelEntry.model_validate(
            base_document(source={"kind": "local", "path": str(tmp_path / "weights")})
        ).source
    )


ARTEFACT = {"path": "a.safetensors", "sha256": "0" * 64, "size": 1}
REFUSED: dict[str, dict[str, Any]] = {
    "unknown field": {"surprise": 1},
    "judge without family": {"role": "judge"},
    "native with family": {"family": "yes_no"},
    "judge with tool parser": {"role": "judge", "family": "yes_no", "tool_call_parser": "mistral"},
    "unknown family": {"role": "judge", "family": "oracle"},
    "id that is a path": {"id": "../tiny"},
    "version that is a path": {"version": "../1"},
    "version that is a folder": {"version": ".."},
    "no lineage": {"lineage": []},
    "number as text": {"context_length": "128"},
    "negative context": {"context_length": -1},
    "artefact outside": {"artefacts": [{**ARTEFACT, "path": "../a.safetensors"}]},
    "absolute artefact": {"artefacts": [{**ARTEFACT, "path": "/a.safetensors"}]},
    "backslash artefact": {"artefacts": [{**ARTEFACT, "path": "..\\a.safetensors"}]},
    "short digest": {"artefacts": [{**ARTEFACT, "sha256": "00"}]},
    "two artefacts of one path": {"artefacts": [ARTEFACT, ARTEFACT]},
    "parts without a package": {"artefacts": [{**ARTEFACT, "parts": [{"distribution": "a", "member": "b"}]}]},
    "conversion of nothing": {"conversion": {"kind": "gguf", "artefact": "x.gguf", "result_bytes": 1}},
    "unknown source": {"source": {"kind": "torrent"}},
    "hub id without owner": {"source": {"kind": "hub", "repo": "model"}},
    "option as distribution": {
        "source": {
            "kind": "package",
            "distributions": [{"name": "--index-url", "version": "1", "sha256": "0" * 64, "size": 1}],
        },
        "artefacts": [ARTEFACT],
    },
}


@pytest.mark.parametrize("change", REFUSED.values(), ids=REFUSED.keys())
def test_schema_refuses(change: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        ModelEntry.model_validate(base_document(**change))


def test_member_path_must_stay_inside(tiny: Tiny) -> None:
    tiny.document["artefacts"][1]["parts"][0]["member"] = "../../etc/passwd"
    with pytest.raises(ValidationError, match="inside"):
        _ = tiny.entry


@pytest.mark.parametrize(
    ("revision", "artefacts", "pinned"),
    [("main", [], False), ("main", [ARTEFACT], False), ("a" * 40, [], False), ("a" * 40, [ARTEFACT], True)],
)
def test_hub_entry_is_pinned_by_commit_and_digests(
    revision: str, artefacts: list[dict[str, Any]], pinned: bool
) -> None:
    source = {"kind": "hub", "repo": "owner/model", "revision": revision}
    assert ModelEntry.model_validate(base_document(source=source, artefacts=artefacts)).pinned is pinned


def test_fingerprint_follows_the_files_and_nothing_else(tiny: Tiny) -> None:
    before = tiny.entry.fingerprint
    tiny.document["engine"]["cpu"]["block_size"] = 16
    assert tiny.entry.fingerprint == before
    tiny.document["artefacts"][1]["sha256"] = "0" * 64
    assert tiny.entry.fingerprint != before
