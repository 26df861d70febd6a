"""Where the optional test data lies: real schemas, the official JSON Schema suite, real tokenizers.

Set `GCD_DATA` to a folder with `maskbench/`, `tokenizers/` and `json-schema-test-suite/`; tests that need a part
which is not there are skipped with the reason.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

DATA = Path(os.environ.get("GCD_DATA") or Path(__file__).resolve().parents[2] / "shared" / "data")


def data_folder(name: str) -> Path:
    """The data folder of that name; skips the calling test when it is not there."""
    folder = DATA / name
    if not folder.is_dir():
        pytest.skip(f"no {name} in {DATA}: set GCD_DATA to a folder that has it")
    return folder


def tokenizer_folder(name: str) -> Path:
    """The folder with the `tokenizer.json` of that name (llama3_1, gpt2, ...); skips the calling test without it."""
    return data_folder(f"tokenizers/{name}")
