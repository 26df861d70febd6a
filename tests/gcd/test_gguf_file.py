"""GGUF files are parsed once and in the same way, and the package that parses them is left as it was."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gguf
import numpy as np
import pytest

from gcd.models.gguf_file import gguf_read_once


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "small.gguf"
    writer: Any = gguf.GGUFWriter(path, "llama")
    writer.add_array("tokenizer.ggml.tokens", ["a", "é", ""])
    writer.add_array("tokenizer.ggml.scores", [0.5, -1.0, 2.0])
    writer.add_uint32("llama.block_count", 2)
    writer.add_tensor("token_embd.weight", np.arange(12, dtype=np.float32).reshape(3, 4))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def read(reader: Any) -> dict[str, Any]:
    """All that a reader has found."""
    found = {name: [part.tolist() for part in field.parts] for name, field in reader.fields.items()}
    return found | {tensor.name: tensor.data.tolist() for tensor in reader.tensors}


def test_a_file_is_parsed_once_and_alike(file: Path) -> None:
    plain, names = gguf.GGUFReader, gguf.get_tensor_name_map
    expected = read(plain(file))
    with gguf_read_once():
        reader = gguf.GGUFReader(file)
        assert read(reader) == expected
        assert gguf.GGUFReader(file) is reader
        assert isinstance(reader, plain)
        table = gguf.get_tensor_name_map(gguf.MODEL_ARCH.LLAMA, 2)
        assert gguf.get_tensor_name_map(gguf.MODEL_ARCH.LLAMA, 2) is table
    with pytest.raises(FileNotFoundError), gguf_read_once():
        gguf.GGUFReader(file.with_name("none.gguf"))
    assert (gguf.GGUFReader, gguf.get_tensor_name_map) == (plain, names)
    assert expected["token_embd.weight"] == np.arange(12).reshape(3, 4).tolist()
