"""`gguf_read_once`: a GGUF file parsed once, and fast, while transformers loads a model from it.

Place in the walk: around `load`. transformers parses the file in Python for the configuration, for the weights and for
the tokenizer, hundreds of thousands of strings each time, and makes a table of all names of weights for every module
that it looks at: 30 of the 34 seconds that a small model takes.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

__all__ = ["gguf_read_once"]


@contextmanager
def gguf_read_once() -> Iterator[None]:
    """A block in which the package `gguf` remembers the files that it has read, and its tables of names."""
    import numpy as np

    gguf: Any = importlib.import_module("gguf")
    reader, names = gguf.GGUFReader, gguf.get_tensor_name_map
    plain = property(lambda self: vars(self)["plain"], lambda self, data: vars(self).update(plain=np.asarray(data)))
    # Cutting a memmap takes ten times as long as cutting the array that it is.
    gguf.GGUFReader, gguf.get_tensor_name_map = cache(type("Reader", (reader,), {"data": plain})), cache(names)
    try:
        yield
    finally:
        gguf.GGUFReader, gguf.get_tensor_name_map = reader, names
