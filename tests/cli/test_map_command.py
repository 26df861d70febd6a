"""`gcd map`: mistakes are told. What it writes is tested with the other commands that use the embedded model."""

from __future__ import annotations

from pathlib import Path

import pytest
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
