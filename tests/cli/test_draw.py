"""`gcd draw`: pictures on stdout, and mistakes."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from gcd.cli.app import app
from gcd.cli.exits import Exit


def gcd_draw(*arguments: str, stdin: str = "") -> Result:
    return CliRunner().invoke(app, ["draw", *arguments], input=stdin, catch_exceptions=False)


def test_pictures(tmp_path: Path) -> None:
    (tmp_path / "a.lark").write_text('start: "a" B\nB: "b"\n')
    path = str(tmp_path / "a.lark")
    assert gcd_draw(path).stdout.startswith("<svg ")
    assert gcd_draw(path, "--as", "rules").stdout == 'flowchart LR\n  r0(["start"]) --> r1["B"]\n'
    assert '  s0 -- "b" --> s1\n' in gcd_draw(path, "--as", "automaton", "--rule", "B").stdout
    assert gcd_draw(path, "--as", "automaton-svg", "--rule", "B").stdout.count("<circle ") == 3
    assert '  s1 -- "b" --> s2\n' in gcd_draw(path, "--as", "automaton").stdout


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["--as", "png"], Exit.USAGE, "--as png is none of svg, rules, automaton and automaton-svg."),
        (["--rule", "a"], Exit.USAGE, "--rule goes with --as automaton and --as automaton-svg."),
        (["--as", "automaton", "--rule", "a"], Exit.USAGE, "--rule a: the grammar has no such rule, or its start does"),
        (["--as", "automaton"], Exit.GRAMMAR, "gcd: the rule 'start' is recursive"),
    ],
)
def test_mistakes(arguments: list[str], code: Exit, message: str) -> None:
    result = gcd_draw("-", "--kind", "grammar", *arguments, stdin='start: "(" start ")" | "b"')
    assert result.exit_code == code
    assert result.stdout == ""
    assert message in " ".join(result.stderr.replace("│", " ").split())
