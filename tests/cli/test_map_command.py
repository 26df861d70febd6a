"""`gcd map`: results in a file, the rest on stderr, and the exit codes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tiny_models import byte_tokenizer, tiny_byte_model
from typer.testing import CliRunner, Result

from gcd.cli.app import app
from gcd.cli.exits import Exit


def gcd_map(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["map", *arguments], catch_exceptions=False)


@pytest.fixture
def records(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "records.jsonl"
    path.write_text('{"text": "I love it"}\n{"txt": "?"}\n{"text": "I hate it"}\n')
    return path


def test_results_go_to_the_file_and_a_summary_to_stderr(records: Path) -> None:
    tiny_byte_model().save_pretrained("tiny")
    byte_tokenizer().save_pretrained("tiny")
    arguments = [
        "records.jsonl", "-o", "out.jsonl", "--choices", "good,bad", "--prompt", "{text}. A {{mood}}:",
        "--temperature", "0", "--max-new-tokens", "6", "--model", "./tiny",
    ]  # fmt: skip
    result = gcd_map(*arguments)
    assert (result.exit_code, result.stdout) == (Exit.NO_MATCH, "")
    assert result.stderr == "3 of 3 records, 1 error\n"
    lines = [json.loads(line) for line in Path("out.jsonl").read_text().splitlines()]
    assert [line.get("value") in ("good", "bad") for line in lines] == [True, False, True]
    assert lines[1]["error"]["message"] == "the record has no 'text', which the prompt asks for; it has 'txt'"
    assert gcd_map(*arguments).stderr == "3 of 3 records, 3 of them before, 1 error\n"
    other = gcd_map(*arguments, "--seed", "1")
    assert other.exit_code == Exit.USAGE
    assert other.stderr == (
        "gcd: out.jsonl has a result of record 0 that was made of another record or with other settings\n"
        "Write to another file, or remove this one.\n"
    )


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["records.jsonl", "-o", "o"], Exit.USAGE, "say what is wanted: --schema, --regex, --grammar, --choices or"),
        (["-", "-o", "o", "--regex", "a"], Exit.USAGE, "RECORDS is a file, so that a job can go on where it ended."),
        (["records.jsonl", "-o", "-", "--regex", "a"], Exit.USAGE, "--out is a file, so that a job can go on where it"),
        (["gone.jsonl", "-o", "o", "--regex", "a"], Exit.USAGE, "cannot read gone.jsonl: no such file."),
        (["records.jsonl", "-o", "o", "--regex", "a("], Exit.GRAMMAR, "this ( is never closed"),
        (["records.jsonl", "-o", "o", "--regex", "a", "--prompt", "{"], Exit.GRAMMAR, "a { by itself at column 1"),
        (["records.jsonl", "-o", "o", "--regex", "a", "--workers", "0"], Exit.USAGE, "Invalid value for '--workers'"),
    ],
)
def test_mistakes_are_told_before_a_model_is_loaded(
    records: Path, arguments: list[str], code: Exit, message: str
) -> None:
    result = gcd_map(*arguments, "--model", "not-loaded")
    assert result.exit_code == code
    assert message in " ".join(result.stderr.replace("│", " ").split())
    assert not Path("o").exists()
