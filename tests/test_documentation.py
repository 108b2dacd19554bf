"""The documentation against the code: links resolve, commands exist, examples load with the real loaders."""

import re
import shlex
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import typer.main
import yaml

from auth.tenant_file import read_tenants
from cluster.main import app
from models.catalog import load_catalog, read_entry
from models.settings import ModelsSettings
from serving.judging.policy import load_policy
from serving.settings import load
from serving.simulator import Script

ROOT = Path(__file__).parents[1]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
COMMENT = re.compile(r"<!--.*?-->", re.DOTALL)
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
BLOCK = re.compile(r"^ *```(\w*)\n(.*?)^ *```$", re.DOTALL | re.MULTILINE)
EXAMPLE = re.compile(r"<!-- example: (\w+) -->\n```yaml\n(.*?)^```$", re.DOTALL | re.MULTILINE)
CODE = re.compile(r"`([^`\n]+)`")
COMMAND_LINE = re.compile(r"\b(mizan|make)((?: +(?:[^\s`'\"$()|&;#]+|'[^']*'|\"[^\"]*\"))*)")


@dataclass(frozen=True)
class Example:
    """One YAML block that its page marks as something the code loads."""

    page: Path
    kind: str
    text: str


def examples() -> list[Example]:
    return [
        Example(page, kind, text)
        for page in PAGES
        for kind, text in EXAMPLE.findall(page.read_text(encoding="utf-8"))
    ]


def name_of(value: object) -> str:
    if isinstance(value, Example):
        return f"{value.page.stem}-{value.kind}-{zlib.crc32(value.text.encode()):08x}"
    return str(value.relative_to(ROOT)) if isinstance(value, Path) else str(value)


def visible(page: Path) -> str:
    return COMMENT.sub("", page.read_text(encoding="utf-8"))


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", BLOCK.sub("", visible(page)), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_relative_link_resolves(page: Path) -> None:
    for target in LINK.findall(BLOCK.sub("", visible(page))):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        file = (page.parent / path).resolve() if path else page
        assert file.exists(), f"{target} leads nowhere"
        if anchor and file.suffix == ".md":
            assert anchor in anchors(file), f"{target}: there is no such heading"


def command_lines(page: Path) -> Iterator[tuple[str, list[str]]]:
    """Every `mizan …` and `make …` in shell blocks and inline code, as program and words."""
    text = visible(page)
    shell = [body for language, body in BLOCK.findall(text) if language in {"sh", "bash", "shell"}]
    inline = CODE.findall(BLOCK.sub("", text))
    for line in "\n".join([*shell, *inline]).splitlines():
        for program, rest in COMMAND_LINE.findall(line.split(" #", 1)[0]):
            yield program, shlex.split(rest)


def _check_mizan(words: list[str]) -> None:
    command = typer.main.get_command(app)
    path, takes_value = "mizan", False
    for word in words:
        commands = getattr(command, "commands", None)
        if takes_value:
            takes_value = False
        elif word.startswith("-"):
            options = {
                name: parameter
                for parameter in command.params
                for name in (*parameter.opts, *parameter.secondary_opts)
                if name.startswith("-")
            }
            assert word in options or word == "--help", f"{path} has no option {word}"
            takes_value = word in options and not getattr(options[word], "is_flag", False)
        elif commands is not None and word != "…":
            assert word in commands, f"{path} has no command {word}"
            command, path = commands[word], f"{path} {word}"


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_command_exists(page: Path) -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z-]+):.*##", makefile, re.MULTILINE))
    for program, words in command_lines(page):
        if program == "mizan":
            _check_mizan(words)
        else:
            assert set(words) <= targets, f"make {' '.join(words)}: no such target"


def test_the_readme_names_commands() -> None:
    """Guards the search itself: a pattern that finds nothing would pass everything."""
    found = [" ".join([program, *words]) for program, words in command_lines(ROOT / "README.md")]
    assert {"make demo", "make test", "make serve", "mizan up", "mizan config schema"} <= set(found)
    with pytest.raises(AssertionError, match="no command"):
        _check_mizan(["models", "bake"])
    with pytest.raises(AssertionError, match="no option"):
        _check_mizan(["token", "--colour"])


@pytest.mark.parametrize("example", examples(), ids=name_of)
def test_every_example_loads(example: Example, tmp_path: Path) -> None:
    file = tmp_path / "example.yaml"
    file.write_text(example.text, encoding="utf-8")
    if example.kind == "settings":
        catalog = load_catalog(ModelsSettings())
        settings = load(file, environment={})
        assert catalog.get(settings.native.model).role == "native"
        assert catalog.get(settings.judge.model).role == "judge"
    elif example.kind == "policy":
        load_policy(file)
    elif example.kind == "tenants":
        read_tenants(file)
    elif example.kind == "catalog":
        read_entry(file)
    elif example.kind == "simulation":
        Script.model_validate(yaml.safe_load(example.text))
    else:
        pytest.fail(f"{example.page.name}: unknown kind of example {example.kind!r}")


def test_every_yaml_block_says_what_it_is() -> None:
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        assert text.count("```yaml\n") == len(EXAMPLE.findall(text)), f"{page.name}: an unmarked YAML block"


def test_every_exported_metric_is_described() -> None:
    """The README lists the metrics that the code declares, no more and no fewer."""
    source = (ROOT / "serving" / "telemetry.py").read_text(encoding="utf-8")
    declared = set(re.findall(r'"(mizan_\w+)"', source))
    listed = set(re.findall(r"^\| `(mizan_\w+)", visible(ROOT / "README.md"), re.MULTILINE))
    assert {name.removesuffix("_total") for name in listed} == declared


def test_every_decision_has_its_sections() -> None:
    pages = sorted((ROOT / "docs" / "decisions").glob("*.md"))
    assert [page.name[:3] for page in pages] == [f"{number:03}" for number in range(1, len(pages) + 1)]
    for page in pages:
        text = page.read_text(encoding="utf-8")
        for section in ("Context", "Decision", "Why", "What it costs", "Alternatives", "Revisit when"):
            assert f"**{section}" in text, f"{page.name} lacks {section!r}"
