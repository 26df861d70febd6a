"""`bench/memory.py` on a tiny vocabulary and two schemas: the rows are there, and the bound of masks holds."""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path
from typing import Any

import pytest
from tokenizers import Tokenizer, decoders, models, pre_tokenizers

BENCH = Path(__file__).parents[2] / "bench"


@pytest.fixture
def folders(tmp_path: Path) -> list[str]:
    letters = pre_tokenizers.ByteLevel.alphabet()
    tokenizer = Tokenizer(models.BPE({letter: number for number, letter in enumerate(sorted(letters))}, []))
    tokenizer.pre_tokenizer, tokenizer.decoder = pre_tokenizers.ByteLevel(add_prefix_space=False), decoders.ByteLevel()
    tokenizer.add_special_tokens(["</s>"])
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    (tmp_path / "tokenizer_config.json").write_text('{"eos_token": "</s>"}')
    (tmp_path / "data").mkdir()
    for name, schema in (("a", {"type": "integer"}), ("b", {"enum": ["x", "y"]}), ("c", {"format": "regex"})):
        (tmp_path / "data" / f"{name}.json").write_text(json.dumps({"schema": schema, "tests": []}))
    return ["--data", str(tmp_path / "data"), "--tokenizer", str(tmp_path), "--tokens", "200"]


@pytest.mark.skipif(sys.platform != "linux", reason="resident memory is read from /proc")
def test_what_is_kept_and_a_long_run(folders: list[str], monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    monkeypatch.syspath_prepend(BENCH)
    memory = importlib.import_module("memory")
    monkeypatch.setattr(sys, "argv", ["memory.py", *folders])
    options = memory.parse_arguments()
    names = [name for name, _ in memory.kept(options)]
    assert names == ["vocabulary of 257 tokens", "compiled, each of 2", "with its texts, each"]
    memory.long_run(options)
    rows = [line.split("|")[1:-1] for line in capsys.readouterr().out.splitlines()[2:]]
    tokens = [int(row[0].replace(",", "")) for row in rows]
    assert tokens == sorted(tokens)
    assert tokens[-1] >= 200
    assert all(float(row[2]) <= options.bound for row in rows)
