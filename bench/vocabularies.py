"""A table of the tokenizers in a folder: what the engine sees of each, and how long that takes.

    python bench/vocabularies.py DIR

DIR holds one folder per tokenizer, each with a tokenizer.json. Times are in milliseconds, the best of three: the
vocabulary read from its tokenizer.json, the trie with its children built, and both from disk, in a new process. (This
file is not called tokenizers.py: its folder comes first in sys.path, where it would hide the package of that name.)
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from tokenizer_align.trie import Trie
from tokenizer_align.vocabulary import Vocabulary

T = TypeVar("T")

COLUMNS = (
    "tokenizer",
    "V",
    "special",
    "tokens",
    "distinct",
    "nodes",
    "longest",
    "missing",
    "read ms",
    "trie ms",
    "disk ms",
)

FROM_DISK = """
import sys, time
from pathlib import Path
from tokenizer_align import extract
begin = time.perf_counter()
extract.extract_vocabulary(Path(sys.argv[1])).trie.children
print(1000 * (time.perf_counter() - begin))
"""


def timed(work: Callable[[], T]) -> tuple[T, str]:
    """What `work` returns, and the time of the fastest of three runs."""
    best = float("inf")
    for _ in range(3):
        start = time.perf_counter()
        result = work()
        best = min(best, time.perf_counter() - start)
    return result, f"{best * 1000:.0f}"


def from_disk(folder: Path) -> str:
    """The time that a new process takes for a vocabulary with its trie, after another one has stored them."""
    with tempfile.TemporaryDirectory() as cache:
        environment = {**os.environ, "GCD_VOCABULARY_CACHE": cache}
        command = [sys.executable, "-c", FROM_DISK, str(folder)]
        runs = [subprocess.run(command, env=environment, capture_output=True, text=True, check=True) for _ in range(4)]
    return f"{min(float(run.stdout) for run in runs[1:]):.0f}"


def row(folder: Path) -> tuple[str, ...]:
    vocabulary, read_ms = timed(lambda: Vocabulary.from_tokenizer(folder))
    (trie, _), trie_ms = timed(lambda: (trie := Trie.build(vocabulary.tokens), trie.children))
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
    return (folder.name, *(f"{count:,}" for count in counts), read_ms, trie_ms, from_disk(folder))


def main(directory: str) -> None:
    table = [COLUMNS, *(row(file.parent) for file in sorted(Path(directory).glob("*/tokenizer.json")))]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    for cells in table:
        first, *rest = (cell.rjust(width) for cell, width in zip(cells, widths, strict=True))
        print(cells[0].ljust(len(first)), *rest, sep="  ")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    os.environ["GCD_VOCABULARY_CACHE"] = "off"
    main(sys.argv[1])
