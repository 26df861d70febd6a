"""`gcd check`: verdicts, explanations and exit codes, as whole outputs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from gcd.cli.app import app
from gcd.cli.exits import Exit


def gcd_check(*arguments: str, stdin: str = "") -> Result:
    return CliRunner().invoke(app, ["check", *arguments], input=stdin, catch_exceptions=False)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working directory."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_files_of_every_kind(folder: Path) -> None:
    (folder / "a.json").write_text('{"type": "integer"}')
    (folder / "b.regex").write_text("[0-9]+\n")
    (folder / "c.lark").write_text('start: "a" start "b" | "c"\n')
    result = gcd_check("a.json", "b.regex", "c.lark")
    assert result.stdout == "a.json: ok\nb.regex: ok\nc.lark: ok\n"
    assert result.exit_code == Exit.OK


@pytest.mark.parametrize(
    ("arguments", "output"),
    [
        (["--regex", "[0-9]{2}", "--instance-text", "17"], "--regex: ok\n--instance-text: match\n"),
        (["--choices", "yes,no", "--instance-text", "no"], "--choices: ok\n--instance-text: match\n"),
        (["--schema", "-"], "stdin: ok\n"),
    ],
)
def test_options_say_what_is_wanted(arguments: list[str], output: str) -> None:
    result = gcd_check(*arguments, stdin='{"type": "integer"}')
    assert result.stdout == output
    assert result.exit_code == Exit.OK


@pytest.mark.parametrize(
    ("regex", "text", "output"),
    [
        (
            "[0-9]{3}",
            "12x4",
            "--instance-text: no match, it stops at byte 2 (line 1, column 3)\n    12x4\n      ^\nexpected '0'-'9'\n",
        ),
        ("[0-9]{3}", "12", "--instance-text: no match, it ends too early\nexpected '0'-'9'\n"),
        (
            "é+",
            "éa",
            "--instance-text: no match, it stops at byte 2 (line 1, column 2)\n"
            "    éa\n"
            "     ^\n"
            "expected byte 0xC3 or the end\n",
        ),
        (
            "a\nb",
            "a\nc",
            "--instance-text: no match, it stops at byte 2 (line 2, column 1)\n    c\n    ^\nexpected 'b'\n",
        ),
    ],
)
def test_a_text_outside_stops_somewhere(regex: str, text: str, output: str) -> None:
    result = gcd_check("--regex", regex, "--instance-text", text)
    assert result.stdout == "--regex: ok\n" + output
    assert result.exit_code == Exit.NO_MATCH


def test_an_instance_may_come_from_a_file_or_stdin_without_its_final_newline(folder: Path) -> None:
    (folder / "a.json").write_text('{"type": "integer"}')
    (folder / "x.json").write_text("17\n")
    assert gcd_check("a.json", "--instance", "x.json").stdout == "a.json: ok\nx.json: match\n"
    assert gcd_check("a.json", "--instance", "-", stdin="17\n").stdout == "a.json: ok\nstdin: match\n"
    assert gcd_check("a.json", "--instance", "-", stdin="17\n\n").exit_code == Exit.NO_MATCH


def test_a_validator_that_no_automaton_holds_has_its_say(folder: Path) -> None:
    (folder / "even_numbers.py").write_text(
        "from typing import Annotated\n"
        "from pydantic import AfterValidator\n"
        "def check_even(value: int) -> int:\n"
        "    if value % 2:\n"
        "        raise ValueError('odd')\n"
        "    return value\n"
        "Even = Annotated[int, AfterValidator(check_even)]\n"
    )
    result = gcd_check("--type", "even_numbers:Even", "--instance-text", "3")
    assert result.stdout == (
        "even_numbers:Even: ok\n--instance-text: no match, in the language but not valid:\nvalue: Value error, odd\n"
    )
    assert result.exit_code == Exit.NO_MATCH
    assert gcd_check("--type", "even_numbers:Even", "--instance-text", "4").exit_code == Exit.OK


def test_a_wrong_regex_is_drawn_with_a_caret() -> None:
    result = gcd_check("--regex", "a(b")
    assert result.stdout.startswith("--regex: wrong: ")
    assert "(line 1, column 2)\n    a(b\n     ^\n" in result.stdout
    assert result.exit_code == Exit.GRAMMAR


def test_all_that_is_unsupported_is_named() -> None:
    schema = {"properties": {"a": {"not": {"uniqueItems": True}}, "b": {"format": "regex"}}}
    result = gcd_check("--schema", "-", stdin=json.dumps(schema))
    first, *others = result.stdout.splitlines()
    assert first.startswith("stdin: unsupported: ")
    assert first.endswith("(at #/properties/a/not/uniqueItems)")
    assert others[-1] == "also unsupported: format (at #/properties/b/format)"
    assert result.exit_code == Exit.GRAMMAR


def test_a_contradiction_is_empty() -> None:
    result = gcd_check("--schema", "-", stdin='{"type": "integer", "minimum": 3, "maximum": 2}')
    assert result.stdout.startswith("stdin: empty: ")
    assert result.exit_code == Exit.GRAMMAR


def test_one_bad_grammar_does_not_hide_the_others(folder: Path) -> None:
    (folder / "a.regex").write_text("(")
    (folder / "b.regex").write_text("b")
    result = gcd_check("a.regex", "b.regex")
    assert result.stdout.startswith("a.regex: wrong: ")
    assert result.stdout.endswith("\nb.regex: ok\n")
    assert result.exit_code == Exit.GRAMMAR


def test_verbose_says_what_becomes_of_each_keyword() -> None:
    schema = {"title": "T", "type": "string", "maxLength": 3, "x-note": 1}
    result = gcd_check("--schema", "-", "--verbose", stdin=json.dumps(schema))
    assert result.stdout == (
        "stdin: ok\n"
        "  #/title      annotation\n"
        "  #/type       enforced\n"
        "  #/maxLength  enforced\n"
        "  #/x-note     annotation (unknown keyword)\n"
        "  2 annotation, 2 enforced\n"
    )


def test_json_is_one_object_a_line(folder: Path) -> None:
    (folder / "a.regex").write_text("a")
    (folder / "b.regex").write_text("(")
    lines = gcd_check("a.regex", "b.regex", "--json", "--instance-text", "b").stdout.splitlines()
    first, second = map(json.loads, lines)
    assert first == {
        "source": "a.regex",
        "kind": "regex",
        "verdict": "ok",
        "error": None,
        "widened": [],
        "keywords": [],
        "instance": {"name": "--instance-text", "match": False, "offset": 0, "allowed": "'a'", "errors": []},
        "instances": None,
        "findings": [],
        "statistics": None,
        "mismatch": None,
    }
    assert second["verdict"] == "wrong"
    assert second["instance"] is None
    assert (second["error"]["line"], second["error"]["column"]) == (1, 1)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "give files, or one of --schema, --regex, --grammar, --choices and --type."),
        (["a.json", "--regex", "a"], "give files, or one of --schema, --regex, --grammar, --choices and --type."),
        (["--regex", "a", "--choices", "b"], "--regex and --choices exclude each other: give one of them."),
        (
            ["--regex", "a", "--instance", "-", "--instance-text", "a"],
            "--instance and --instance-text exclude each other: give one of them.",
        ),
        (["--schema", "-", "--instance", "-"], "stdin cannot be both the grammar and the instance."),
        (["gone.json"], "cannot read gone.json: no such file or directory."),
    ],
)
def test_usage_errors(folder: Path, arguments: list[str], message: str) -> None:
    result = gcd_check(*arguments)
    assert result.exit_code == Exit.USAGE
    assert result.stdout == ""
    assert message in " ".join(result.stderr.replace("│", " ").split())


ORDER = '{"type": "object", "properties": {"to": {"$ref": "address.json"}}, "additionalProperties": false}'
ADDRESS = '{"type": "array", "items": {"$ref": "parts/city.json"}}'


def test_schemas_beside_go_by_their_names_or_their_ids(folder: Path) -> None:
    (folder / "order.json").write_text(ORDER)
    (folder / "beside" / "parts").mkdir(parents=True)
    (folder / "beside" / "address.json").write_text(ADDRESS)
    (folder / "beside" / "parts" / "city.json").write_text('{"enum": ["Ulm"]}')
    text = ["--instance-text", '{"to": ["Ulm", "Bonn"]}']
    result = gcd_check("order.json", "--schemas", "beside", *text)
    assert result.stdout.startswith("order.json: ok\n--instance-text: no match, it stops at byte 16")
    named = json.dumps(json.loads(ADDRESS) | {"$id": "https://x.org/a"})
    (folder / "named.json").write_text(named)
    (folder / "city.json").write_text('{"$id": "https://x.org/parts/city.json", "enum": ["Ulm"]}')
    schema = ["--schema", "-", "--schemas", "named.json", "--schemas", "city.json", "--json", "--instance-text", "[]"]
    verdict = json.loads(gcd_check(*schema, stdin='{"$ref": "https://x.org/a"}').stdout)
    assert (verdict["verdict"], verdict["instance"]["match"]) == ("ok", True)
    verdict = json.loads(gcd_check(*schema[:4], "--json", stdin='{"$ref": "https://x.org/a"}').stdout)
    assert verdict["error"]["pointer"] == "https://x.org/a#/items/$ref"


def test_schemas_beside_that_are_wrong(folder: Path) -> None:
    (folder / "order.json").write_text(ORDER)
    (folder / "address.json").write_text("{")
    (folder / "empty").mkdir()
    (folder / "more").mkdir()
    (folder / "more" / "address.json").write_text("true")
    result = gcd_check("order.json", "--schemas", "address.json")
    assert result.exit_code == Exit.GRAMMAR
    assert 'in schemas={"address.json": ...}: this is not JSON' in result.stdout + result.stderr
    for arguments, message in (
        (["order.json", "--schemas", "empty"], "there are no .json files in this folder."),
        (["order.json", "--schemas", "gone.json"], "cannot read gone.json"),
        (["order.json", "--schemas", "address.json", "--schemas", "more"], "another schema is called address.json"),
        (
            ["--regex", "a", "--schemas", "more"],
            "--schemas: give a JSON Schema, which this is about, by --schema FILE.",
        ),
        (["--regex", "a", "--no-formats", "--key-order", "any"], "--key-order and --no-formats: give a JSON Schema"),
        (["order.json", "--key-order", "sorted"], "--key-order sorted is neither schema nor any."),
        (["order.json", "--strings", "utf-8"], "--strings utf-8 is not any, raw or ascii."),
        (["order.json", "--integers", "1.0"], "--integers 1.0 is neither plain nor fraction."),
        (["order.json", "--approximate", "under"], "--approximate under is not over."),
    ):
        result = gcd_check(*arguments)
        assert result.exit_code == Exit.USAGE
        assert message in " ".join(result.stderr.replace("│", " ").split())


def test_options_of_schemas(folder: Path) -> None:
    schema = {"properties": {"a": {"format": "date"}, "b": {"not": {"uniqueItems": True}}}, "type": "object"}
    (folder / "s.json").write_text(json.dumps(schema))

    def exit_code(text: str, *options: str) -> int:
        return gcd_check("s.json", "--instance-text", text, "--approximate", "over", *options).exit_code

    assert gcd_check("s.json").exit_code == Exit.GRAMMAR
    said = gcd_check("s.json", "--approximate", "over")
    left_out = "the opposite of uniqueItems is not supported (at #/properties/b/not/uniqueItems)"
    assert said.stdout.startswith(f"s.json: ok\nleft out, and checked in the finished value only: {left_out}")
    assert json.loads(gcd_check("s.json", "--approximate=over", "--json").stdout)["widened"][0].startswith(left_out)
    assert exit_code('{"a": "2000-01-01", "b": [1, 1]}') == Exit.OK
    assert exit_code('{"b": [1, 2]}') == Exit.NO_MATCH  # the validator's word
    for text, option in (('{"b":[1,1],"a":"2000-01-01"}', "--key-order=any"), ('{"a":"x"}', "--no-formats")):
        assert exit_code(text) == Exit.NO_MATCH
        assert exit_code(text, option) == Exit.OK
    assert exit_code('{"c": "\\u0041"}') == Exit.OK
    assert exit_code('{"c": "\\u0041"}', "--strings=raw") == Exit.NO_MATCH
    (folder / "s.json").write_text('{"type": "object", "properties": {"n": {"type": "integer"}}}')
    assert exit_code('{"n": 1.0}') == Exit.NO_MATCH
    assert exit_code('{"n": 1.0}', "--integers=fraction") == Exit.OK
    assert exit_code('{"n": 12}', "--digits=1") == Exit.NO_MATCH
    assert exit_code('{"n": 12}', "--digits=2") == Exit.OK
    (folder / "s.json").write_text(json.dumps(schema))
    assert exit_code('{"c": 1}') == Exit.OK
    assert exit_code('{"c": 1}', "--no-additional-properties") == Exit.NO_MATCH


def test_places_in_other_documents_are_named(folder: Path) -> None:
    (folder / "order.json").write_text(ORDER)
    (folder / "address.json").write_text('{"type": "null", "title": "A"}')
    lines = gcd_check("order.json", "--schemas", "address.json", "-v").stdout.splitlines()
    assert "  address.json#/title     annotation" in lines
    assert "  #/properties/to/$ref    enforced" in lines


SUMS = """start: sum
sum: sum "+" sum | NAME | "if" sum
NAME: /[a-z]+/
other: "x"
"""


def test_what_was_hardly_meant(folder: Path) -> None:
    (folder / "a.lark").write_text(SUMS)
    unused = "a.lark: unused: the rule other is never used (line 4, column 1)\n"
    assert gcd_check("a.lark").stdout == "a.lark: ok\n" + unused
    result = gcd_check("a.lark", "-v", "--seconds", "20")
    assert result.exit_code == Exit.OK
    assert result.stdout == (
        "a.lark: ok\n" + unused + 'a.lark: collision: NAME also matches what these match: "if"\n'
        'a.lark: ambiguity: the rule sum reads "a+a+a" in two ways: sum "a" "+" sum "a+a", or sum "a+a" "+" sum "a"\n'
        "  2 rules, 1 terminals, 2 literals, 12 nodes\n"
    )
    found = json.loads(gcd_check("a.lark", "--json", "--seconds", "0").stdout)
    assert [finding["kind"] for finding in found["findings"]] == ["unused", "collision"]
    assert (found["findings"][0]["line"], found["statistics"]["rules"]) == (4, 2)


def test_instances_in_lines(folder: Path) -> None:
    (folder / "a.json").write_text('{"type": "integer"}')
    (folder / "b.regex").write_text("[0-9]+")
    (folder / "numbers").write_text('17\n\n"x"\n18\n')
    (folder / "texts").write_text('"17"\r\n"x"\n')
    result = gcd_check("a.json", "--instances", "numbers")
    assert result.exit_code == Exit.NO_MATCH
    assert result.stdout == (
        'a.json: ok\nnumbers:3: no match, it stops at byte 0 (line 1, column 1)\n    "x"\n    ^\n'
        "expected '-' or '0'-'9'\n2 of 3 texts match\n"
    )
    assert gcd_check("b.regex", "--instances", "texts").stdout.endswith("1 of 2 texts match\n")
    assert gcd_check("b.regex", "--instances", "-", stdin='"1"\n').stdout == "b.regex: ok\n1 of 1 texts match\n"
    wrong = gcd_check("b.regex", "--instances", "numbers")
    assert wrong.exit_code == Exit.USAGE
    said = " ".join(wrong.stderr.replace("│", " ").split())
    assert "numbers:1: this is no JSON string, as which b.regex needs its texts." in said


def test_folders_and_kinds(folder: Path) -> None:
    (folder / "sub").mkdir()
    (folder / "sub" / "b.regex").write_text("b")
    (folder / "a.lark").write_text('start: "a"')
    (folder / "notes").write_text("start: (")
    assert gcd_check(".").stdout == "a.lark: ok\nsub/b.regex: ok\n"
    assert gcd_check("-", "--kind", "regex", stdin="a\n").stdout == "stdin: ok\n"
    assert gcd_check("sub/b.regex", "--kind", "choices").stdout == "sub/b.regex: ok\n"
    (folder / "empty").mkdir()
    said = " ".join(gcd_check("empty").stderr.replace("│", " ").split())
    assert "empty: there are no grammars in this folder; known are .json, .regex, .lark, .gbnf, .ebnf." in said


def test_a_tokenizer_that_lacks_bytes(folder: Path) -> None:
    vocabulary = {"a": 0, "b": 1, "xb": 2, "</s>": 3}
    special = {"id": 3, "content": "</s>", "special": True, "single_word": False, "lstrip": False, "rstrip": False,
               "normalized": False}  # fmt: skip
    level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": False}
    model = {"type": "BPE", "vocab": vocabulary, "merges": []}
    (folder / "tokenizer.json").write_text(
        json.dumps({"version": "1.0", "added_tokens": [special], "decoder": level, "model": model})
    )
    (folder / "x.regex").write_text("[ax]")
    (folder / "a.regex").write_text("[ab]")
    assert gcd_check("a.regex", "--tokenizer", "tokenizer.json").stdout == "a.regex: ok\n"
    result = gcd_check("x.regex", "--tokenizer", "tokenizer.json")
    assert result.exit_code == Exit.MODEL
    assert result.stdout == (
        "x.regex: ok\nx.regex: not with this tokenizer: the grammar uses bytes that occur in tokens of the vocabulary, "
        "but have no one-byte token: 0x78; exact masks need one, since a text could otherwise become impossible to "
        "finish\n"
    )


def test_searches_have_limits_and_exit_codes() -> None:
    text = 'start: "if" NAME\nNAME: /[a-z]+/\nother: "b"'
    plain = gcd_check("-", "--kind", "grammar", stdin=text)
    assert (plain.exit_code, plain.stdout) == (
        Exit.OK,
        "stdin: ok\nstdin: unused: the rule other is never used (line 3, column 1)\n",
    )
    assert gcd_check("-", "--kind", "grammar", "--strict", stdin=text).exit_code == Exit.NO_MATCH
    few = gcd_check("-", "--kind", "grammar", "-v", "--states", "1", "--seconds", "0", stdin=text)
    assert "stdin: collision: not known: comparing the terminals takes more than 1 states\n" in few.stdout
    more = gcd_check("-", "--kind", "grammar", "-v", "--seconds", "20", stdin=text)
    assert "stdin: lexer: lark with its basic lexer refuses 'ifa', which is in the language\n" in more.stdout
    assert gcd_check("-", "--kind", "grammar", "--strict", stdin='start: "a"').exit_code == Exit.OK
