"""The documents tell the truth: snippets run, printed output is what comes out, every file has its sentence."""

from __future__ import annotations

import ast
import contextlib
import io
import json
import re
import runpy
import shlex
import sys
import tomllib
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest
from typer.testing import CliRunner

from gcd.cli.app import app

ROOT = Path(__file__).resolve().parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
PACKAGES = ("grammars", "tokenizer_align", "gcd")


def blocks(language: str) -> Iterator[object]:
    """Each fenced block of that language in the pages, named by page and line."""
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        for found in re.finditer(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL):
            line = text.count("\n", 0, found.start()) + 2
            yield pytest.param(found[1], id=f"{page.name}:{line}")


def said(code: str) -> str:
    """What `print` is said to print: the comments `# ...` that follow a line with print."""
    lines = code.splitlines()
    return "\n".join(
        after.removeprefix("# ") for before, after in pairwise(lines)
        if "print(" in before and after.startswith("# ")
    )  # fmt: skip


@pytest.mark.parametrize("code", list(blocks("python")))
def test_python_snippets_run_and_print_what_they_say(code: str, embedded_model: str) -> None:
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(code, "snippet", "exec"), {"__name__": "snippet"})
    assert printed.getvalue().strip() == said(code)


def console() -> Iterator[object]:
    """Each `$ gcd ...` of the console blocks with the output printed under it."""
    for block in blocks("console"):
        (text,) = block.values  # type: ignore[attr-defined]
        for number, part in enumerate(re.split(r"^\$ ", text, flags=re.MULTILINE)[1:]):
            line, _, output = part.partition("\n")
            yield pytest.param(line, output, id=f"{block.id}:{number}")  # type: ignore[attr-defined]


@pytest.mark.parametrize(("line", "output"), list(console()))
def test_commands_print_what_is_printed(
    line: str, output: str, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Exactly for `gcd check`; what a model says may differ between machines, so there only the kind is compared."""
    monkeypatch.chdir(ROOT)
    piped, _, command = line.rpartition(" | ")
    name, *arguments = shlex.split(command)
    assert name == "gcd"
    if arguments[0] == "generate":
        request.getfixturevalue("embedded_model")
    text = shlex.split(piped)[-1] + "\n" if piped else ""
    done = CliRunner().invoke(app, arguments, input=text, catch_exceptions=False)
    if arguments[0] == "check":
        assert done.output == output
    elif output.startswith("{"):
        assert done.exit_code == 0
        assert json.loads(done.stdout).keys() == json.loads(output).keys()
    else:
        assert done.exit_code == 0
        assert bool(done.stdout.strip()) == bool(output.strip())


def test_the_page_of_the_command_line_is_what_the_commands_say() -> None:
    render = runpy.run_path(str(ROOT / "docs" / "make_cli.py"))["render"]
    assert (ROOT / "docs" / "cli.md").read_text(encoding="utf-8") == render(), "run `make docs`"


def test_the_page_of_json_schema_is_what_the_table_of_keywords_says() -> None:
    render = runpy.run_path(str(ROOT / "docs" / "make_json_schema.py"))["render"]
    assert (ROOT / "docs" / "json-schema.md").read_text(encoding="utf-8") == render(), "run `make docs`"


def test_the_code_map_names_every_file() -> None:
    text = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
    named = set(re.findall(r"^\| `([a-z0-9_/]+\.py)` \|", text, re.MULTILINE))
    there = {
        str(path.relative_to(ROOT))
        for package in PACKAGES
        for path in (ROOT / package).rglob("*.py")
        if not is_bare_init(path)
    }
    assert sorted(there - named) == [], "files without a sentence"
    assert sorted(named - there) == [], "sentences without a file"


def is_bare_init(path: Path) -> bool:
    """Whether the file is an `__init__.py` that defines nothing: a docstring, or only names of other files."""
    if path.name != "__init__.py":
        return False
    body = ast.parse(path.read_text(encoding="utf-8")).body
    return not any(isinstance(part, ast.FunctionDef | ast.ClassDef) and part.name[:2] != "__" for part in body)


@pytest.mark.parametrize("page", [*PAGES, ROOT / "ARCHITECTURE.md", ROOT / "CONTRIBUTING.md"], ids=lambda p: p.name)
def test_links_lead_somewhere(page: Path) -> None:
    targets = re.findall(r"\]\(([^)#]+)[^)]*\)", page.read_text(encoding="utf-8"))
    missing = [t for t in targets if not t.startswith("http") and not (page.parent / t).exists()]
    assert missing == []


def test_the_readme_names_make_targets_that_exist() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    text = "".join(page.read_text(encoding="utf-8") for page in [*PAGES, ROOT / "CONTRIBUTING.md"])
    named = set(re.findall(r"(?:`|^)make ([a-z-]+)", text, re.MULTILINE))
    targets = set(re.findall(r"^([a-z-]+):", makefile, re.MULTILINE))
    assert named - targets == set()


def test_the_tested_floors_are_the_promised_ones() -> None:
    """torch aside: the oldest torch that is promised has no wheels for the Pythons of today."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    promised = dict(
        line.split(">=")
        for line in [*project["dependencies"], *extras["transformers"], *extras["demo"], *extras["serve"]]
        if ">=" in line
    )
    floors = (ROOT / ".ci" / "floors.txt").read_text(encoding="utf-8")
    tested = dict(line.split("==") for line in floors.splitlines() if not line.startswith("#"))
    assert promised.keys() == tested.keys()
    for name in promised.keys() - {"torch"}:
        assert tested[name] in (promised[name], f"{promised[name]}.0", f"{promised[name]}.0.0"), name


@pytest.mark.parametrize("example", sorted((ROOT / "examples").glob("*.py")), ids=lambda p: p.name)
def test_python_examples_run(example: Path, embedded_model: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert sys.version_info >= (3, 11)
    runpy.run_path(str(example), run_name="__main__")
    assert capsys.readouterr().out.strip()
