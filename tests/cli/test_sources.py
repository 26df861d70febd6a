"""Arguments and files -> Source."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from gcd.cli.app import app
from gcd.cli.exits import Exit
from gcd.cli.sources import from_options, from_path, load_type, split_choices


@pytest.mark.parametrize(
    ("arguments", "texts"),
    [
        (["yes,no"], ["yes", "no"]),
        (["yes", "no"], ["yes", "no"]),
        (["a,b", "c"], ["a", "b", "c"]),
        (['["well, maybe", "no"]', "yes"], ["well, maybe", "no", "yes"]),
        (["a, b"], ["a", " b"]),
    ],
)
def test_choices_are_split(arguments: list[str], texts: list[str]) -> None:
    assert split_choices(arguments) == texts


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ("[1]", "--choices [1] holds something that is no text."),
        (
            "[a,b]",
            "--choices [a,b] begins like a JSON array and is none: expecting value at column 2.",
        ),
    ],
)
def test_choices_that_are_no_texts(argument: str, message: str) -> None:
    with pytest.raises(typer.BadParameter) as caught:
        split_choices([argument])
    assert caught.value.message == message


@pytest.mark.parametrize(
    ("name", "text", "kind", "value"),
    [
        ("a.json", '{"type": "null"}\n', "schema", '{"type": "null"}\n'),
        ("a.JSON", "true", "schema", "true"),
        ("a.regex", "[0-9]+\n", "regex", "[0-9]+"),
        ("a.regex", "a\n\n", "regex", "a\n"),
        ("a.lark", 'start: "a"\n', "grammar", 'start: "a"\n'),
    ],
)
def test_the_suffix_tells_the_kind(tmp_path: Path, name: str, text: str, kind: str, value: str) -> None:
    path = tmp_path / name
    path.write_text(text)
    source = from_path(str(path))
    assert (source.kind, source.value, source.name) == (kind, value, str(path))
    assert source.keywords == {kind: value}


@pytest.mark.parametrize("name", ["a.gbnf", "a.EBNF"])
def test_a_file_of_a_notation_stays_a_file(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_text("# root\n")
    assert from_path(str(path)) == from_path(str(path))
    assert from_path(str(path)).keywords == {"grammar": path}
    assert from_options(grammar=str(path)).value == path  # type: ignore[union-attr]


def test_a_byte_order_mark_is_dropped(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_bytes(b"\xef\xbb\xbftrue")
    assert from_path(str(path)).value == "true"


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        (
            "a.txt",
            b"",
            "{path}: cannot tell the kind from the name; known are .json, .regex, .lark, .gbnf, .ebnf. "
            "Say it: --kind schema, --kind regex, --kind grammar or --kind choices.",
        ),
        ("a.json", b"\xff", "{path} is not UTF-8: byte 0xff at offset 0."),
        ("gone.json", None, "cannot read {path}: no such file or directory."),
    ],
)
def test_files_that_cannot_be_read(tmp_path: Path, name: str, data: bytes | None, message: str) -> None:
    path = tmp_path / name
    if data is not None:
        path.write_bytes(data)
    with pytest.raises(typer.BadParameter) as caught:
        from_path(str(path))
    assert caught.value.message == message.format(path=path)


def test_no_option_is_no_source() -> None:
    assert from_options() is None
    assert from_options(choices=[]) is None


def test_two_options_exclude_each_other() -> None:
    with pytest.raises(typer.BadParameter) as caught:
        from_options(regex="a", choices=["b"])
    assert caught.value.message == "--regex and --choices exclude each other: give one of them."


def test_a_type_is_found_from_the_working_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "module_of_a_user.py").write_text("class Outer:\n    class Inner: ...\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [entry for entry in sys.path if entry])
    assert load_type("module_of_a_user:Outer.Inner").__name__ == "Inner"


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("Person", "--type Person: write it as module:Name, for example examples.person:Person."),
        ("no_such_module:A", "--type no_such_module:A: no module 'no_such_module' here or among the installed."),
        ("json:Nothing", "--type json:Nothing: the module has no 'Nothing'."),
    ],
)
def test_types_that_are_not_there(name: str, message: str) -> None:
    with pytest.raises(typer.BadParameter) as caught:
        load_type(name)
    assert caught.value.message == message


def test_a_structural_tag_is_a_grammar(tmp_path: Path) -> None:
    path = tmp_path / "tag.json"
    path.write_text('{"type": "structural_tag", "format": {"type": "any_text", "excludes": ["<"]}}')
    arguments = ["check", str(path), "--kind", "structural-tag"]
    good = CliRunner().invoke(app, [*arguments, "--instance-text", "a>"])
    assert (good.exit_code, good.stdout) == (Exit.OK, f"{path}: ok\n--instance-text: match\n")
    path.write_text('{"type": "structural_tag"}')
    bad = CliRunner().invoke(app, arguments)
    assert (bad.exit_code, bad.stderr) == (Exit.GRAMMAR, "gcd: format is missing (at #)\n")
