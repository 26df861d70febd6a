"""`--import-root`: Lark grammars that import files, on the command line and in `gcd.compile`."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

import gcd
from gcd.cli.app import app
from gcd.cli.exits import Exit

MAIN = 'start: NAME "!"\n%import names.NAME\n'


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "main.lark").write_text(MAIN)
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib" / "names.lark").write_text("NAME: /[a-c]/\n")
    return tmp_path


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, [*arguments], catch_exceptions=False)


def test_every_command_that_reads_a_grammar_takes_it(folder: Path) -> None:
    main, root = str(folder / "main.lark"), ["--import-root", str(folder / "lib")]
    assert run("check", main, *root, "--instance-text", "b!").stdout == f"{main}: ok\n--instance-text: match\n"
    assert run("explain", main, "--text", "d!", *root).exit_code == Exit.NO_MATCH
    assert run("sample", main, "-n", "1", "--length", "2", *root).stdout.strip() in {"a!", "b!", "c!"}
    assert "[a-c]" in run("convert", main, "--to", "gbnf", *root).stdout
    assert run("draw", main, "--as", "rules", *root).stdout == 'flowchart LR\n  r0(["start"]) --> r1["NAME"]\n'


def test_what_is_missing_and_what_it_does_not_go_with(folder: Path) -> None:
    main = str(folder / "main.lark")
    alone = run("check", main)
    assert alone.exit_code == Exit.GRAMMAR
    assert "give import_root=Path(...) for files" in alone.stdout
    for arguments, message in [
        ([main, "--import-root", main], "this is no folder."),
        (
            ["--regex", "a", "--import-root", str(folder)],
            "--import-root is for the %import of a Lark grammar: give one.",
        ),
    ]:
        result = run("check", *arguments)
        assert result.exit_code == Exit.USAGE
        assert message in " ".join(result.stderr.replace("│", " ").split())


def test_in_python_the_files_are_read_anew(folder: Path) -> None:
    root = folder / "lib"
    vocabulary = gcd.Vocabulary([bytes([i]) for i in range(128)] + [b""], eos_token_ids=[128])

    def accepted() -> list[str]:
        matcher = gcd.compile(grammar=folder / "main.lark", import_root=root, tokenizer=vocabulary).matcher()
        return [char for char in "abcd" if matcher.fork().accept_token(ord(char))]

    assert gcd.check(grammar=MAIN, import_root=root).ok
    assert not gcd.check(grammar=MAIN).ok
    assert accepted() == ["a", "b", "c"]
    (root / "names.lark").write_text("NAME: /[cd]/\n")
    assert accepted() == ["c", "d"]
    with pytest.raises(TypeError) as caught:
        gcd.check(regex="a", import_root=root)
    message = "import_root= is for the %import of a Lark grammar: it goes with grammar=, as text or a path"
    assert str(caught.value) == message
