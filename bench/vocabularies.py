"""A table of the tokenizers in a folder: what the engine sees of each, and how long that takes.

    python bench/vocabularies.py DIR

DIR holds one folder per tokenizer, each with a tokenizer.json. Times are in milliseconds, the best of three. (This file
is not called tokenizers.py: its folder comes first in sys.path, where it would hide the package of that name.)
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from tokenizer_align.trie import Trie
from tokenizer_align.vocabulary import Vocabulary

T = TypeVar("T")

COLUMNS = ("tokenizer", "V", "special", "tokens", "distinct", "nodes", "longest", "missing", "read ms", "trie ms")


def timed(work: Callable[[], T]) -> tuple[T, str]:
    """What `work` returns, and the time of the fastest of three runs."""
    best = float("inf")
    for _ in range(3):
        start = time.perf_counter()
        result = work()
        best = min(best, time.perf_counter() - start)
    return result, f"{best * 1000:.0f}"


def row(folder: Path) -> tuple[str, ...]:
    vocabulary, read_ms = timed(lambda: Vocabulary.from_tokenizer(folder))
    trie, trie_ms = timed(lambda: Trie.build(vocabulary.tokens))
    spelled = [token for token in vocabulary.tokens if token]
    counts = (
        vocabulary.size,
        len(vocabulary.special_tokens),
        len(spelled),
        len(set(spelled)),
        len(trie),
        max(map(len, spelled)),
        len(vocabulary.missing_bytes),
    )
    return (folder.name, *(f"{count:,}" for count in counts), read_ms, trie_ms)


def main(directory: str) -> None:
    table = [COLUMNS, *(row(file.parent) for file in sorted(Path(directory).glob("*/tokenizer.json")))]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    for cells in table:
        first, *rest = (cell.rjust(width) for cell, width in zip(cells, widths, strict=True))
        print(cells[0].ljust(len(first)), *rest, sep="  ")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(sys.argv[1])
