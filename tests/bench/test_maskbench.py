"""`bench/maskbench.py` on two schemas and a toy tokenizer: what is counted and reported, not how fast it is."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

tokenizers = pytest.importorskip("tokenizers")

BENCH = Path(__file__).parents[2] / "bench"
SCHEMAS = {
    "person": {
        "schema": {
            "type": "object",
            "properties": {"name": {"type": "string"}, "age": {"type": "integer"}},
            "required": ["name", "age"],
            "additionalProperties": False,
        },
        "tests": [
            {"valid": True, "data": {"name": "Zoë", "age": 7}},
            {"valid": True, "data": {"age": 7, "name": "Zoë"}},  # the other order of keys is no text of the grammar
            {"valid": False, "data": {"name": "Zoë"}},
        ],
    },
    "wrong": {"schema": {"type": "strin"}, "tests": [{"valid": True, "data": ""}]},
}
KEYS = {"outcome", "compile", "ttfm", "MiB", "instances", "schema", "engine"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers

    pieces = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(models.BPE(vocab={piece: i for i, piece in enumerate(pieces)}, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens(["</s>"])
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    (tmp_path / "schemas").mkdir()
    for name, case in SCHEMAS.items():
        (tmp_path / "schemas" / f"{name}.json").write_text(json.dumps(case))
    return tmp_path


def maskbench(*arguments: object) -> str:
    command = [sys.executable, str(BENCH / "maskbench.py"), *map(str, arguments)]
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=300).stdout


def test_outcomes_and_tokens_of_two_schemas(folder: Path) -> None:
    measured = folder / "measured.jsonl"
    report = maskbench(
        "--data", folder / "schemas", "--tokenizer", folder, "--engine", "gcd", "--skip-cold", "--json", measured
    )
    about, person, wrong = map(json.loads, measured.read_text().splitlines())
    assert about["about"]["set-up"].keys() == {"filled"}
    assert set(person) == KEYS
    assert (person["schema"], person["outcome"]) == ("person", "valid refused")
    assert [walk["accepted"] for walk in person["instances"]] == [True, False, False]
    text = json.dumps({"name": "Zoë", "age": 7}, ensure_ascii=False).encode()
    # One token a byte. The second instance is refused at its first key's first letter, the third at its bracket.
    assert [len(walk["mask"]) for walk in person["instances"]] == [len(text), 3, len('{"name": "Zoë"}'.encode())]
    assert (wrong["outcome"], wrong["instances"]) == ("compile error", [])
    assert "| valid instances accepted | 1 of 2 |" in report
    assert "| invalid instances refused | 1 of 1 |" in report
    head, *lines = measured.read_text().splitlines(keepends=True)
    for name, line in zip("ab", lines, strict=True):
        (folder / name).write_text(head + line)
    assert maskbench("--report", folder / "a", folder / "b") == maskbench("--report", measured) == report


def test_the_report_replaces_the_old_one_between_the_markers() -> None:
    program = (
        "import report; t = report.replace_report; print(t(t('a\\n' + report.BEGIN + report.END + 'b', '1'), '2'))"
    )
    written = subprocess.run([sys.executable, "-c", program], cwd=BENCH, capture_output=True, text=True, check=True)
    assert written.stdout == "a\n<!-- begin of the report -->\n\n2\n<!-- end of the report -->\nb\n"


def test_parts_are_the_whole_without_repeated_schemas(folder: Path) -> None:
    for name in ("again", "zz"):
        (folder / "schemas" / f"{name}.json").write_text(json.dumps(SCHEMAS["wrong"]))
    program = (
        "import pathlib, sys; from maskbench import Cases; folder = pathlib.Path(sys.argv[1]); cases = Cases(folder); "
        "files = sorted((folder / 'schemas').glob('*.json')); "
        "parts = (), (1, 2), (2, 2); "
        "print([[name for _, block in cases.blocks(files, *part) for name, _ in block] for part in parts])"
    )
    command = [sys.executable, "-c", program, str(folder)]
    written = subprocess.run(command, check=True, capture_output=True, text=True, cwd=BENCH)
    assert written.stdout == "[['again', 'person'], ['again'], ['person']]\n"
