"""A cache of the test's own and a tiny model that pip finds without any index."""

from pathlib import Path

import pytest

from models.settings import ModelsSettings
from tests.models.tiny import Tiny, build_tiny


@pytest.fixture
def settings(tmp_path: Path) -> ModelsSettings:
    """Downloads are kept, so that most tests start pip never or once."""
    return ModelsSettings(cache_dir=tmp_path / "cache", keep_downloads=True)


@pytest.fixture
def indexed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Tiny:
    """The tiny model, to be fetched by the real pip from a folder of wheels."""
    wheelhouse = tmp_path / "wheelhouse"
    wheelhouse.mkdir()
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(wheelhouse))
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    return build_tiny(wheelhouse)


@pytest.fixture
def tiny(indexed: Tiny, settings: ModelsSettings) -> Tiny:
    """The tiny model with its wheels already downloaded."""
    indexed.seed(settings)
    return indexed
