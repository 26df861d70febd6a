"""`gcd convert`: what is written, and mistakes."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from gcd.cli.app import app
from gcd.cli.exits import Exit


def gcd_convert(*arguments: str, stdin: str = "") -> Result:
    return CliRunner().invoke(app, ["convert", *arguments], input=stdin, catch_exceptions=False)


def test_what_is_written(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text('{"type": "array", "items": {"const": 1}}')
    path = str(tmp_path / "a.json")
    assert gcd_convert(path, "--whitespace", "compact").stdout == (
        'start: "[]" | "[" items ("," items)* "]"\nitems: "1"\n'
    )
    assert gcd_convert("-", "--kind", "regex", "--to", "gbnf", stdin="a+b?").stdout == 'root ::= "a"+ "b"?\n'


@pytest.mark.parametrize(
    ("arguments", "stdin", "code", "message"),
    [
        (["--kind", "regex", "--to", "bnf"], "a", Exit.USAGE, "--to bnf is neither lark nor gbnf."),
        (["--kind", "regex"], "(", Exit.GRAMMAR, "gcd: this ( is never closed (line 1, column 1)"),
    ],
)
def test_mistakes(arguments: list[str], stdin: str, code: Exit, message: str) -> None:
    result = gcd_convert("-", *arguments, stdin=stdin)
    assert result.exit_code == code
    assert result.stdout == ""
    assert message in " ".join(result.stderr.replace("│", " ").split())
