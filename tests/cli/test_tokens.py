"""`gcd tokens`: the whole output, for people and for machines."""

from __future__ import annotations

import json
from pathlib import Path

from typer.testing import CliRunner, Result

from gcd.cli.app import app
from gcd.cli.exits import Exit

TOKENIZER = {
    "version": "1.0",
    "added_tokens": [
        {"id": 4, "content": "</s>", "special": True, "single_word": False, "lstrip": False, "rstrip": False,
         "normalized": False},
    ],
    "decoder": {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": False},
    "model": {"type": "BPE", "vocab": {"a": 0, "b": 1, "ab": 2, "Ã": 3}, "merges": [["a", "b"]]},
}  # fmt: skip


def gcd_tokens(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["tokens", *arguments], catch_exceptions=False)


def test_a_vocabulary_in_lines(tmp_path: Path) -> None:
    path = tmp_path / "tokenizer.json"
    path.write_text(json.dumps(TOKENIZER))
    result = gcd_tokens(str(path))
    assert result.stdout == (
        "ids                    5\n"
        "spell text             4, with 1.2 bytes in the mean and 2 at most\n"
        "end a text             </s> 4\n"
        "begin a text           none\n"
        "special                1: </s> 4\n"
        "unused                 0\n"
        "same bytes             0\n"
        "no whole characters    1, of which 0 occur in no UTF-8 text\n"
        "bytes without a token  0x00, 0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x07, 0x08, 0x09, ... (243 more)\n"
        "bytes in no token      0x00, 0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x07, 0x08, 0x09, ... (243 more)\n"
        "longest                'ab' (2 bytes, 2), 'a' (1 bytes, 0), 'b' (1 bytes, 1), b'\\xc3' (1 bytes, 3)\n"
        "nodes of the trie      4\n"
    )
    found = json.loads(gcd_tokens(str(path), "--json").stdout)
    assert (found["size"], found["eos"], found["special"], found["lengths"]) == (5, [4], {"</s>": 4}, {"1": 3, "2": 1})
    assert found["longest"][0] == {"text": "ab", "bytes": 2, "id": 2}
    assert len(found["missing_bytes"]) == 253


def test_what_is_no_tokenizer(tmp_path: Path) -> None:
    result = gcd_tokens(str(tmp_path / "gone"))
    assert result.exit_code == Exit.MODEL
    assert result.stderr == (
        f"gcd: there is no {tmp_path / 'gone'}: give the path of a tokenizer.json, or of the folder that holds one\n"
    )
