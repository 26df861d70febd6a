"""`gcd sample`: what is drawn is in the language, and mistakes are told."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from gcd.cli.app import app
from gcd.cli.exits import Exit


def gcd_sample(*arguments: str, stdin: str = "") -> Result:
    return CliRunner().invoke(app, ["sample", *arguments], input=stdin, catch_exceptions=False)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "word.regex").write_text("[ab]{2,9}")
    (tmp_path / "pair.json").write_text('{"type": "array", "items": {"type": "integer"}, "minItems": 2, "maxItems": 2}')
    (tmp_path / "wrong.lark").write_text("start: (")
    return tmp_path


def test_texts_come_one_a_line(folder: Path) -> None:
    lines = gcd_sample("word.regex", "-n", "20", "--seed", "1").stdout.splitlines()
    assert len(lines) == 20
    assert [line for line in lines if not re.fullmatch("[ab]{2,9}", line)] == []
    assert gcd_sample("word.regex", "-n", "20", "--seed", "1").stdout.splitlines() == lines
    assert {len(line) for line in gcd_sample("word.regex", "--length", "5").stdout.splitlines()} == {5}
    assert max(map(len, gcd_sample("word.regex", "--max-bytes", "3").stdout.splitlines())) <= 3


def test_grammars_of_the_library(folder: Path) -> None:
    lines = gcd_sample("library:json", "-n", "5", "--length", "4", "--json").stdout.splitlines()
    assert [len(json.dumps(json.loads(json.loads(line)["text"]))) > 0 for line in lines] == [True] * 5
    result = gcd_sample("library:jsn")
    assert result.exit_code == Exit.GRAMMAR
    assert result.stderr == "gcd: the library has no grammar 'jsn'\ndid you mean 'json'?\n"


def test_json_lines_name_the_seed(folder: Path) -> None:
    result = gcd_sample("-", "--kind", "schema", "-n", "3", "--json", stdin=(folder / "pair.json").read_text())
    records = [json.loads(line) for line in result.stdout.splitlines()]
    assert [len(json.loads(record["text"])) for record in records] == [2, 2, 2]
    (seed,) = {record["seed"] for record in records}
    again = gcd_sample("pair.json", "-n", "3", "--seed", str(seed)).stdout.splitlines()
    assert again == [record["text"] for record in records]


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["word.regex", "--max-bytes", "1"], Exit.USAGE, "--max-bytes 1: all texts of this grammar are longer."),
        (["word.regex", "--length", "10"], Exit.GRAMMAR, "gcd: no text of this grammar has 10 bytes"),
        (["wrong.lark"], Exit.GRAMMAR, "gcd: expected a name, a string or a regex"),
        (["word.regex", "-n", "0"], Exit.USAGE, "Invalid value for '-n'"),
        (["pair.json", "--whitespace", "wide"], Exit.USAGE, "--whitespace wide is none of bounded, compact, json and"),
    ],
)
def test_mistakes(folder: Path, arguments: list[str], code: Exit, message: str) -> None:
    result = gcd_sample(*arguments)
    assert result.exit_code == code
    assert result.stdout == ""
    assert message in " ".join(result.stderr.replace("│", " ").split())
