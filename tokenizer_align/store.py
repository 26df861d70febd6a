"""Store: the tables of a vocabulary to disk and back, under a hash of the files that it was read from.

Place in the walk: beside `extract`, which asks here before it reads a tokenizer.json. It knows neither what such a file
means nor what a kernel does with the tables.

They are kept in `gcd-decoding/vocabularies` in the user's cache folder, or where `tokenizer_align.folders` puts such a
folder; `GCD_VOCABULARY_CACHE` names another one, ours alone too, or is `off`. The name of a file is a hash of all bytes
that were read, of the arguments, and of the source code that reads and writes, so nothing that has changed is served:
neither an edited tokenizer.json, nor what another version of this library made of it. The 16 files that were used last
are kept.

    b"gcv1"             magic and version
    checksum            CRC-32 of all that follows, 4 bytes, little-endian
    size of the header  4 bytes, little-endian
    header              JSON: special tokens, EOS, BOS, how long each array is
    arrays              int32, little-endian, one behind the other, as `_arrays` lists them
    bytes               of all tokens, one behind the other

A file is used as it was written or not at all: the checksum finds what was torn or damaged, and each number is checked
before it is followed, so that not even a forged file leads a kernel out of an array. Whatever goes wrong (no folder, a
full disk, a file that was just removed) costs the time of building, nothing else, and is not reported.
"""

from __future__ import annotations

import hashlib
import json
import operator
import os
import tempfile
import zlib
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np
import numpy.typing as npt

from tokenizer_align.errors import VocabularyMismatch
from tokenizer_align.folders import make_private, private_folder
from tokenizer_align.trie import restore_trie
from tokenizer_align.vocabulary import Vocabulary

__all__ = ["pack_vocabulary", "stored", "unpack_vocabulary"]

_MAGIC = b"gcv1"
_SUFFIX = ".gcd-vocabulary"
_MOST = 16  # files: 7 MB for a vocabulary of 128k tokens, 16 MB for one of 262k


def stored(files: Sequence[Path], arguments: object, build: Callable[[], Vocabulary]) -> Vocabulary:
    """What `build` makes of some files and arguments, from disk where that was done before.

    A vocabulary from disk, or one that was just written there, has its spellings, its trie and the trie's children.
    """
    folder = _folder()
    key = None if folder is None else _key(files, arguments)
    if folder is None or key is None:
        return build()
    file = folder / (key + _SUFFIX)
    vocabulary = _read(file)
    if vocabulary is None:
        vocabulary = build()
        if _key(files, arguments) == key:  # else they were changed meanwhile, and nobody knows which ones were read
            _write(file, pack_vocabulary(vocabulary))
    return vocabulary


def _folder() -> Path | None:
    chosen = os.environ.get("GCD_VOCABULARY_CACHE")
    if not chosen:
        return private_folder("vocabularies")
    return Path(chosen) if chosen != "off" and make_private(Path(chosen)) else None


def _key(files: Sequence[Path], arguments: object) -> str | None:
    """SHA-256, in hex, of the code, the arguments and the files; None where one is there and cannot be read."""
    if _CODE is None:
        return None
    try:
        parts = [_digest(file) if file.is_file() else "missing" for file in files]
    except OSError:
        return None
    return hashlib.sha256(repr((_CODE, arguments, parts)).encode()).hexdigest()


def _digest(file: Path) -> str:
    with file.open("rb", buffering=0) as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _code() -> str | None:
    """A hash of the code that decides what is stored: a version that nobody can forget to raise (0.7 ms).

    None where there are no source files; then nothing is stored.
    """
    names = ("extract.py", "extract_decoder.py", "extract_json.py", "store.py", "trie.py", "vocabulary.py")
    try:
        return repr([_digest(Path(__file__).with_name(name)) for name in names])
    except OSError:
        return None


_CODE = _code()  # on import, when the code is read: an upgrade under a running process changes the files, not the code


def pack_vocabulary(vocabulary: Vocabulary) -> bytes:
    """The content of a file for a vocabulary, its trie included.

    >>> vocabulary = Vocabulary([b"a", b"b", b""], eos_token_ids=[2])
    >>> unpack_vocabulary(np.frombuffer(pack_vocabulary(vocabulary), np.uint8)) == vocabulary
    True
    """
    arrays, data = _arrays(vocabulary), vocabulary.spellings[1]
    about = {
        "special_tokens": dict(vocabulary.special_tokens),
        "eos_token_ids": vocabulary.eos_token_ids,
        "bos_token_id": vocabulary.bos_token_id,
        "lengths": [len(array) for array in arrays],
    }
    header = json.dumps(about).encode()
    header += b" " * (-len(header) % 4)
    body = b"".join([len(header).to_bytes(4, "little"), header, *(a.astype("<i4").tobytes() for a in arrays)])
    body += data.tobytes()
    return _MAGIC + zlib.crc32(body).to_bytes(4, "little") + body


def _arrays(vocabulary: Vocabulary) -> tuple[npt.NDArray[np.int32], ...]:
    """What a file holds; all else that a vocabulary and its trie have is taken from these."""
    trie, kids = vocabulary.trie, vocabulary.trie.children
    starts = vocabulary.spellings[0]
    return starts, trie.token_ids, trie.depth, trie.end, trie.tok_start, kids.start, kids.node


def unpack_vocabulary(content: npt.NDArray[np.uint8]) -> Vocabulary | None:
    """The vocabulary in the content of a file, its arrays being parts of that; None where it is damaged.

    With the checksum of a content that `pack_vocabulary` did not make, it is a vocabulary and its trie all the same, or
    None: never one with a number that leads astray.
    """
    if content[:4].tobytes() != _MAGIC or content[4:8].tobytes() != zlib.crc32(content[8:].data).to_bytes(4, "little"):
        return None
    try:
        return _unpack(content[8:])
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError, VocabularyMismatch):
        return None  # the header says something else than `pack_vocabulary` writes


def _unpack(body: npt.NDArray[np.uint8]) -> Vocabulary | None:
    begin = 4 + int.from_bytes(body[:4].tobytes(), "little")
    about = json.loads(body[4:begin].tobytes())
    lengths = [operator.index(length) for length in about["lengths"]]
    until = begin + 4 * sum(lengths)
    if min(lengths) < 0 or begin % 4 or until > len(body):
        return None
    words = body[begin:until].view("<i4").astype(np.int32, copy=False)
    starts, token_ids, depth, end, tok_start, start, node = np.split(words, np.cumsum(lengths)[:-1])
    vocabulary = Vocabulary.from_spellings(
        starts,
        body[until:],
        eos_token_ids=about["eos_token_ids"],
        special_tokens=about["special_tokens"],
        bos_token_id=about["bos_token_id"],
    )
    trie = restore_trie(
        vocabulary.spellings, token_ids, depth=depth, end=end, tok_start=tok_start, start=start, node=node
    )
    if trie is None:
        return None
    vocabulary.__dict__["trie"] = trie
    return vocabulary


def _read(file: Path) -> Vocabulary | None:
    """The vocabulary in a file, which is marked as used; None where there is none, or a damaged one."""
    try:
        vocabulary = unpack_vocabulary(np.fromfile(file, np.uint8))
    except OSError:
        return None
    if vocabulary is not None:
        with suppress(OSError):
            os.utime(file)
    return vocabulary


def _write(file: Path, content: bytes) -> None:
    """Puts a file in its place at once, so that a reader finds all of it or none, and removes the oldest others."""
    with suppress(OSError):
        descriptor, name = tempfile.mkstemp(suffix=f"{_SUFFIX}-new", dir=file.parent)
        try:
            with os.fdopen(descriptor, "wb") as stream:
                stream.write(content)
            Path(name).replace(file)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
        ours = file.parent.glob(f"*{_SUFFIX}*")  # what a process that was killed left behind included
        for old in sorted(ours, key=lambda other: other.stat().st_mtime)[:-_MOST]:
            old.unlink(missing_ok=True)
