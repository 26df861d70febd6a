"""`gcd explain`: whole outputs, for people and for machines."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from gcd.cli.app import app
from gcd.cli.exits import Exit


def gcd_explain(*arguments: str, stdin: str = "") -> Result:
    return CliRunner().invoke(app, ["explain", *arguments], input=stdin, catch_exceptions=False)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with a grammar of sums, a schema, a regex and choices."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "sum.lark").write_text(
        'start: sum\nsum: part ("+" part)*\npart: NUMBER | "(" sum ")"\nNUMBER: /[0-9]+/\n'
    )
    (tmp_path / "space.lark").write_text('start: A B\nA: "a"\nB: "b"\n%ignore " "\n')
    (tmp_path / "pair.json").write_text(
        '{"type": "object", "properties": {"a": {"enum": ["x", "y"]}}, "required": ["a"]}'
    )
    (tmp_path / "word.regex").write_text("[a-zé]+\n")
    (tmp_path / "answers").write_text("yes\nno\n")
    return tmp_path


@pytest.mark.parametrize(
    ("arguments", "output"),
    [
        (
            ["sum.lark", "--text", "(1+\n)"],
            "--text: no match, it stops at byte 3 (line 1, column 4)\n"
            "    (1+\n"
            "       ^\n"
            "characters: '(' or '0'-'9'\n"
            'terminals: "(" or NUMBER\n'
            "rules being read, the outermost first:\n"
            "  start from line 1, column 1\n"
            "    sum from line 1, column 1\n"
            "      part from line 1, column 1\n"
            "        sum from line 1, column 2: expects part\n",
        ),
        (
            ["sum.lark", "--text", "(1"],
            "--text: no match, it ends too early\n"
            "characters: ')', '+' or '0'-'9'\n"
            'terminals: the rest of NUMBER, ")" or "+"\n'
            "rules being read, the outermost first:\n"
            "  start from line 1, column 1\n"
            "    sum from line 1, column 1\n"
            '      part from line 1, column 1: expects ")"\n'
            '        sum from line 1, column 2: expects "+"\n'
            "          part from line 1, column 2\n"
            "            NUMBER from line 1, column 2: expects [0-9]\n",
        ),
        (
            ["space.lark", "--text", "a c"],
            "--text: no match, it stops at byte 2 (line 1, column 3)\n"
            "    a c\n"
            "      ^\n"
            "characters: space or 'b'\n"
            "terminals: the rest of B or ignored text\n"
            "rules being read, the outermost first:\n"
            "  start from line 1, column 1\n"
            '    B from line 1, column 2: expects "b"\n',
        ),
        (
            ["word.regex", "--text", "aé1"],
            "--text: no match, it stops at byte 3 (line 1, column 3)\n"
            "    aé1\n"
            "      ^\n"
            "characters: 'a'-'z', 'é' or the end\n",
        ),
        (["answers", "--kind", "choices", "--text", "y"], "--text: no match, it ends too early\ncharacters: 'e'\n"),
        (
            ["pair.json", "--text", '{"a":"z"}'],
            "--text: no match, it stops at byte 6 (line 1, column 7)\n"
            '    {"a":"z"}\n'
            "          ^\n"
            "characters: 'x'-'y'\n"
            "terminals: 'x\"' of '\"x\"' or 'y\"' of '\"y\"'\n"
            "rules being read, the outermost first:\n"
            "  # from line 1, column 1\n"
            "    #/properties/a from line 1, column 6: expects 'x\"' of '\"x\"' or 'y\"' of '\"y\"'\n",
        ),
    ],
)
def test_where_a_text_leaves_a_language(folder: Path, arguments: list[str], output: str) -> None:
    result = gcd_explain(*arguments)
    assert result.stdout == output
    assert result.exit_code == Exit.NO_MATCH


def test_a_text_inside_is_shown_with_what_could_follow(folder: Path) -> None:
    (folder / "text").write_text("12\n")
    result = gcd_explain("sum.lark", "text")
    assert result.stdout == (
        "text: match\n"
        "characters: '+', '0'-'9' or the end\n"
        'terminals: the rest of NUMBER or "+"\n'
        "rules being read, the outermost first:\n"
        "  start from line 1, column 1\n"
        '    sum from line 1, column 1: expects "+"\n'
        "      part from line 1, column 1\n"
        "        NUMBER from line 1, column 1: expects [0-9]\n"
    )
    assert result.exit_code == Exit.OK
    assert gcd_explain("sum.lark", "-", stdin="(12)\n").stdout.startswith("stdin: match\n")
    assert (
        gcd_explain("-", "--kind", "regex", "--text", "a", stdin="a\n").stdout == "--text: match\ncharacters: the end\n"
    )


TOKENIZER = {
    "version": "1.0",
    "added_tokens": [{"id": 5, "content": "</s>", "special": True, "single_word": False, "lstrip": False,
                      "rstrip": False, "normalized": False}],
    "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": False},
    "decoder": {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": False},
    "model": {"type": "BPE", "vocab": {"1": 0, "+": 1, "(": 2, ")": 3, "+(": 4}, "merges": [["+", "("]]},
}  # fmt: skip


def test_the_tokens_that_were_allowed(folder: Path) -> None:
    (folder / "tokenizer.json").write_text(json.dumps(TOKENIZER))
    (folder / "ones.lark").write_text('start: part ("+" part)*\npart: "1" | "(" start ")"\n')
    arguments = ["ones.lark", "--text", "1+1x", "--tokenizer", "tokenizer.json"]
    lines = gcd_explain(*arguments).stdout.splitlines()
    assert lines[3:6] == ["characters: '+' or the end", 'terminals: "+"', "tokens: 2 of 6 and the end: '+', '+('"]
    found = json.loads(gcd_explain(*arguments, "--json").stdout)
    assert found == {
        "text": "--text", "match": False, "offset": 3, "line": 1, "column": 4, "may_end": True,
        "bytes": "'+' or the end", "characters": [["+", "+"]], "terminals": ['"+"'],
        "rules": [{"rule": "start", "offset": 0, "depth": 0, "expects": ['"+"']}],
        "tokens": {"allowed": [1, 4], "may_end": True, "size": 6}, "errors": [],
    }  # fmt: skip


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["sum.lark"], Exit.USAGE, "give the text as a file, or by --text TEXT."),
        (["sum.lark", "a", "--text", "b"], Exit.USAGE, "give the text as a file, or by --text TEXT."),
        (["-", "-"], Exit.USAGE, "stdin cannot be both the grammar and the text."),
        (["sum.lark", "gone"], Exit.USAGE, "cannot read gone: no such file or directory."),
        (["answers", "--text", ""], Exit.USAGE, "answers: cannot tell the kind from the name"),
        (["answers", "--kind", "bnf", "--text", ""], Exit.USAGE, "--kind bnf is none of schema, regex, grammar, ch"),
        (["answers", "--kind", "regex", "--schemas", ".", "--text", ""], Exit.USAGE, "--schemas: give a JSON Schema"),
        (["answers", "--kind", "grammar", "--text", ""], Exit.GRAMMAR, "gcd: expected :, found the end of the line"),
        (
            ["sum.lark", "--text", "", "--tokenizer", "gone"],
            Exit.MODEL,
            "gcd: there is no gone: give the path of a tokenizer.json",
        ),
    ],
)
def test_mistakes(folder: Path, arguments: list[str], code: Exit, message: str) -> None:
    result = gcd_explain(*arguments)
    assert result.exit_code == code
    assert result.stdout == ""
    assert message in " ".join(result.stderr.replace("│", " ").split())


def test_many_rules_are_cut_in_the_middle(folder: Path) -> None:
    lines = gcd_explain("sum.lark", "--text", "(" * 20).stdout.splitlines()
    assert "  ... 21 more, the innermost are:" in lines
    assert len(lines) == 4 + 21
    assert lines[-1].strip() == "part from line 1, column 20: expects sum"
