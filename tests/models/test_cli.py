"""`mizan models` as a user and as a script sees it."""

import json
from pathlib import Path
from types import SimpleNamespace

import pytest
from typer.testing import CliRunner, Result

from models.catalog import load_catalog, read_entry
from models.cli import app
from models.settings import ModelsSettings
from tests.models.tiny import Tiny


@pytest.fixture
def own(tiny: Tiny, settings: ModelsSettings, tmp_path: Path) -> ModelsSettings:
    """Settings whose catalog folder holds the tiny model."""
    catalog = tmp_path / "catalog"
    catalog.mkdir()
    tiny.write(catalog / "tiny.yaml")
    return settings.model_copy(update={"catalog_dir": catalog})


def mizan_models(settings: ModelsSettings, *arguments: str) -> Result:
    return CliRunner().invoke(app, list(arguments), obj=SimpleNamespace(models=settings))


def states(settings: ModelsSettings) -> dict[str, str]:
    rows = json.loads(mizan_models(settings, "list", "--json").stdout)
    return {row["id"]: row["prepared"] for row in rows}


def test_a_model_from_listing_to_repair(own: ModelsSettings) -> None:
    assert states(own)["tiny"] == "no"
    prepared = mizan_models(own, "prepare", "tiny", "--json")
    assert prepared.exit_code == 0, prepared.output
    (result,) = json.loads(prepared.stdout)
    assert states(own)["tiny"] == "yes"
    assert mizan_models(own, "verify").exit_code == 0
    (Path(result["path"]) / "config.json").write_text("{}")
    assert states(own)["tiny"] == "corrupted"
    found = mizan_models(own, "verify", "tiny", "--json")
    assert found.exit_code == 1
    assert json.loads(found.stdout)[0]["state"] == "corrupted"
    assert json.loads(mizan_models(own, "prepare", "tiny", "--json").stdout)[0]["digest"] == result["digest"]
    assert states(own)["tiny"] == "yes"


def test_list_as_a_table_names_every_model(own: ModelsSettings) -> None:
    shown = mizan_models(own, "list")
    assert shown.exit_code == 0
    for model in states(own):
        assert model in shown.stdout


def test_verify_of_an_absent_model_fails(own: ModelsSettings) -> None:
    result = mizan_models(own, "verify", "tiny", "--json")
    assert result.exit_code == 1
    assert json.loads(result.stdout)[0]["state"] == "not prepared"


def test_show_prints_an_entry_that_can_be_read_back(own: ModelsSettings, tmp_path: Path) -> None:
    (tmp_path / "copy.yaml").write_text(mizan_models(own, "show", "gemma-3-270m").stdout)
    assert read_entry(tmp_path / "copy.yaml") == load_catalog(own).get("gemma-3-270m")


@pytest.mark.parametrize("arguments", [("prepare",), ("prepare", "tiny", "--all-default")])
def test_prepare_wants_ids_or_the_default_models(own: ModelsSettings, arguments: tuple[str, ...]) -> None:
    result = mizan_models(own, *arguments)
    assert result.exit_code == 2
    assert "one of the two" in result.stderr


@pytest.mark.parametrize("command", ["show", "prepare", "verify"])
def test_unknown_model_is_one_sentence_and_exit_code_one(own: ModelsSettings, command: str) -> None:
    result = mizan_models(own, command, "gpt-5")
    assert result.exit_code == 1
    assert result.stderr.startswith("error: no model 'gpt-5'")
    assert len(result.stderr.splitlines()) == 1


def test_production_refuses_an_unpinned_model_and_says_what_to_do(own: ModelsSettings) -> None:
    production = own.model_copy(update={"production": True})
    result = mizan_models(production, "prepare", "qwen3guard-gen-0.6b")
    assert result.exit_code == 1
    assert "--pin qwen3guard-gen-0.6b" in result.stderr


@pytest.mark.parametrize("command", ["list", "verify"])
def test_what_a_catalog_holds_is_no_markup(own: ModelsSettings, tiny: Tiny, command: str) -> None:
    assert own.catalog_dir is not None
    tiny.document["licence"]["name"] = "[/red]"
    tiny.write(own.catalog_dir / "tiny.yaml")
    assert mizan_models(own, command).exit_code == 0


@pytest.mark.parametrize("text", ["id: " + "[" * 3000, "version: 2024-13-45"])
def test_a_catalog_file_that_cannot_be_read_is_named(own: ModelsSettings, text: str) -> None:
    assert own.catalog_dir is not None
    (own.catalog_dir / "[wrong].yaml").write_text(text)
    result = mizan_models(own, "list")
    assert result.exit_code == 1
    assert f"error: {own.catalog_dir}/[wrong].yaml: " in result.output
