"""Screenshots small enough for a documentation page."""

import io
from pathlib import Path

from PIL import Image
from playwright.sync_api import Page

COLOURS = 96
LARGEST = 150 * 1024
"""Bytes of one file."""


class Screenshots:
    """Takes them into a folder and remembers their names."""

    def __init__(self, page: Page, folder: Path) -> None:
        self._page = page
        self._folder = folder
        self.names: list[str] = []

    def take(self, name: str) -> None:
        """One PNG with a palette; the page is given a moment to settle."""
        self._page.wait_for_timeout(500)
        picture = Image.open(io.BytesIO(self._page.screenshot(animations="disabled")))
        self._folder.mkdir(parents=True, exist_ok=True)
        file = self._folder / f"{name}.png"
        picture.convert("RGB").quantize(COLOURS).save(file, optimize=True)
        assert file.stat().st_size < LARGEST, f"{file} is too large for the documentation"
        self.names.append(name)
