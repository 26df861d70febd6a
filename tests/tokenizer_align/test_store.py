"""Store: save∘load = id, and whatever else lies on the disk is built anew, never trusted."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zlib
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from data import tokenizer_folder
from hypothesis import given
from hypothesis import strategies as st

from tokenizer_align.store import pack_vocabulary, stored, unpack_vocabulary
from tokenizer_align.trie import Trie
from tokenizer_align.vocabulary import Vocabulary

SMALL = Vocabulary(
    [b"a", b"b", b"ab", b"", b"ab", b"abc", b"\0", b"</s>", b"<t>"],
    eos_token_ids=[7],
    special_tokens={"<t>": 8, "<é▁😀>": 3, "<tool>": 8},
    bos_token_id=3,
    size=12,
)
VOCABULARIES = {
    "small": SMALL,
    "several ends, no beginning": Vocabulary([b"a", b"b", b"", b"bb"], eos_token_ids=[2, 1, 0]),
    "no token with bytes": Vocabulary([b"a"], eos_token_ids=[0], bos_token_id=0),
    "all bytes": Vocabulary([*(bytes([byte]) for byte in range(256)), b"\xff" * 300, b""], eos_token_ids=[257]),
}
TRIE = ("byte", "depth", "end", "tok_start", "tok_end", "token_ids")
CHILDREN = ("start", "node", "byte")


def unpacked(content: bytes) -> Vocabulary | None:
    return unpack_vocabulary(np.frombuffer(bytearray(content), np.uint8))


def check_equal(found: Vocabulary | None, expected: Vocabulary) -> None:
    """Compares all that a vocabulary from disk brings along with what is built."""
    assert found is not None
    assert found == expected
    assert (found.tokens, found.size, found.eos_token_ids) == (expected.tokens, expected.size, expected.eos_token_ids)
    assert list(found.special_tokens.items()) == list(expected.special_tokens.items())
    assert found.bos_token_id == expected.bos_token_id
    trie = Trie.build(expected.tokens)
    pairs = list(zip(found.spellings, expected.spellings, strict=True))
    pairs += [(getattr(found.trie, name), getattr(trie, name)) for name in TRIE]
    pairs += [(getattr(found.trie.children, name), getattr(trie.children, name)) for name in CHILDREN]
    for ours, theirs in pairs:
        np.testing.assert_array_equal(ours, theirs, strict=True)
        assert ours.flags.writeable
        assert ours.flags.c_contiguous


@pytest.mark.parametrize("vocabulary", VOCABULARIES.values(), ids=VOCABULARIES)
def test_unpack_is_the_inverse_of_pack(vocabulary):
    check_equal(unpacked(pack_vocabulary(vocabulary)), vocabulary)


@given(tokens=st.lists(st.binary(max_size=5), max_size=40), data=st.data())
def test_unpack_is_the_inverse_of_pack_on_any_vocabulary(tokens, data):
    ids = st.integers(0, len(tokens) + 5)
    vocabulary = Vocabulary(
        tokens,
        eos_token_ids=data.draw(st.lists(ids, min_size=1, max_size=3)),
        special_tokens=data.draw(st.dictionaries(st.text(st.characters(codec="utf-8"), max_size=4), ids, max_size=3)),
        bos_token_id=data.draw(st.none() | ids),
        size=len(tokens) + 6,
    )
    check_equal(unpacked(pack_vocabulary(vocabulary)), vocabulary)


@pytest.mark.parametrize("name", ["gpt2", "llama3_1"])
def test_real_vocabularies(name):
    built = Vocabulary.from_tokenizer(tokenizer_folder(name))
    check_equal(unpacked(pack_vocabulary(built)), built)


def test_any_flipped_byte_is_noticed():
    content = pack_vocabulary(SMALL)
    for position in range(len(content)):
        for flip in (1, 0x80, 0xFF):
            damaged = bytearray(content)
            damaged[position] ^= flip
            assert unpacked(damaged) is None, position


def test_any_other_length_is_noticed():
    content = pack_vocabulary(SMALL)
    assert [n for n in range(len(content)) if unpacked(content[:n]) is not None] == []
    assert unpacked(content + b"\0") is None


def test_another_version_is_not_read():
    content = pack_vocabulary(SMALL)
    assert content[:4] == b"gcv1"
    assert unpacked(b"gcv2" + content[4:]) is None


def taken_apart(vocabulary: Vocabulary) -> tuple[bytes, bytes]:
    """The header of a file and what comes after it."""
    body = pack_vocabulary(vocabulary)[8:]
    begin = 4 + int.from_bytes(body[:4], "little")
    return body[4:begin], body[begin:]


def forged(header: bytes, rest: bytes, size: int | None = None) -> Vocabulary | None:
    """What is read from a file with these parts and the checksum that belongs to them."""
    body = (len(header) if size is None else size).to_bytes(4, "little") + header + rest
    return unpacked(b"gcv1" + zlib.crc32(body).to_bytes(4, "little") + body)


def check_walks(vocabulary: Vocabulary) -> None:
    """Follows every number as the kernels do, and finds each node once, at its depth, and each token once."""
    starts, data = vocabulary.spellings
    assert [data[a:b].tobytes() for a, b in pairwise(starts)] == list(vocabulary.tokens)
    assert all(0 <= i < vocabulary.size for i in (*vocabulary.eos_token_ids, *vocabulary.special_tokens.values()))
    assert not any(vocabulary.tokens[i] for i in (*vocabulary.eos_token_ids, *vocabulary.special_tokens.values()))
    trie, kids = vocabulary.trie, vocabulary.trie.children
    visited, met = [], []
    stack = [(-1, 0)]
    while stack:
        parent, depth = stack.pop()
        assert 0 <= kids.start[parent + 1] <= kids.start[parent + 2] <= len(trie)
        for kid in range(kids.start[parent + 1], kids.start[parent + 2]):
            node = int(kids.node[kid])
            assert parent < node < len(trie)
            assert trie.depth[node] == depth + 1
            assert kids.byte[kid] == trie.byte[node]
            stack.append((node, depth + 1))
            visited.append(node)
            tokens = trie.token_ids[trie.tok_start[node] : trie.tok_end[node]].tolist()
            assert all(len(vocabulary.tokens[token]) == depth + 1 for token in tokens)
            met += tokens
            assert node < trie.end[node] <= len(trie)
    assert sorted(visited) == list(range(len(trie)))
    assert sorted(met) == [i for i, token in enumerate(vocabulary.tokens) if token]


LENGTHS = json.loads(taken_apart(SMALL)[0])["lengths"]
WORDS = Vocabulary([b"a", b"b", b"xyz", b"a", b""], eos_token_ids=[4])
ARRAYS = {
    "starts": [0, 1, 2, 5, 6, 6],
    "token_ids": [0, 3, 1, 2],
    "depth": [1, 1, 1, 2, 3],
    "end": [1, 2, 5, 5, 5],
    "tok_start": [0, 2, 3, 3, 3, 4],
    "start": [0, 3, 3, 3, 4, 5, 5],
    "node": [0, 1, 2, 3, 4],
}


def forged_arrays(data: bytes = b"abxyza", **arrays: list[int]) -> Vocabulary | None:
    """What is read from a file of WORDS with other arrays."""
    parts = [np.array(array, "<i4") for array in (ARRAYS | arrays).values()]
    about = {"special_tokens": {}, "eos_token_ids": [4], "bos_token_id": None, "lengths": list(map(len, parts))}
    header = json.dumps(about).encode()
    return forged(header + b" " * (-len(header) % 4), b"".join(part.tobytes() for part in parts) + data)


def test_a_file_by_hand():
    check_equal(forged_arrays(), WORDS)


@pytest.mark.parametrize(
    "arrays",
    [
        {"starts": [1, 2, 3, 6, 7, 7], "data": b"?abxyza"},
        {"starts": [0, 1, 2, 5, 6, 7]},
        {"starts": [0, 2, 1, 5, 6, 6]},
        {"starts": [0, 1, 2, 5, 6, -1]},
        {"starts": [0, 1, 2, 5, 5, 6]},
        {"token_ids": [0, 3, 1, 5]},
        {"token_ids": [0, 3, 1, -3]},
        {"token_ids": [0, 3, 3, 2]},
        {"token_ids": [0, 3, 1, 4]},
        {"token_ids": [0, 1, 2], "tok_start": [0, 1, 2, 2, 2, 3]},
        {"token_ids": [2, 3, 1, 0]},
        {"depth": [1, 1, 1, 3, 3]},
        {"depth": [1, 1, 1, 1, 3]},
        {"depth": [1, 1, 1, 2, 4]},
        {"depth": [1, 1, 1, 2]},
        {"end": [1, 2, 5, 4, 5]},
        {"end": [1, 2, 4, 5, 5]},
        {"end": [1, 2, 5, 5, 6]},
        {"end": [1, 2, -1, 5, 5]},
        {"end": [1, 2, 5, 5, 5, 5]},
        {"tok_start": [1, 3, 4, 4, 4, 5]},
        {"tok_start": [-1, 1, 2, 2, 2, 3]},
        {"tok_start": [0, 3, 3, 3, 3, 4]},
        {"tok_start": [0, 2, 3, 4, 3, 4]},
        {"tok_start": [0, 2, 3, 3, 4]},
        {"start": [1, 4, 4, 4, 5, 6, 6]},
        {"start": [-1, 2, 2, 2, 3, 4, 4]},
        {"start": [0, 3, 2, 3, 4, 5, 5]},
        {"start": [0, 3, 3, 4, 4, 5, 5]},
        {"start": [0, 3, 3, 3, 4, 5]},
        {"node": [0, 1, 2, 4, 3]},
        {"node": [0, 1, 2, 3, 5]},
        {"node": [-5, 1, 2, 3, 4]},
        {"node": [0, 1, 2, 3, 3]},
        {"node": [0, 1, 2, 3]},
    ],
    ids=str,
)
def test_forged_arrays_are_refused(arrays):
    assert forged_arrays(**arrays) is None


NUMBERS = st.integers(-3, 8) | st.sampled_from([2**31 - 1, -(2**31)])


@given(changes=st.lists(st.tuples(st.sampled_from(sorted(ARRAYS)), st.integers(0, 6), NUMBERS), min_size=1, max_size=4))
def test_forged_numbers_lead_nowhere(changes):
    """Refused, or a trie in which every walk ends where it should."""
    arrays = {name: list(array) for name, array in ARRAYS.items()}
    for name, place, number in changes:
        arrays[name][place % len(arrays[name])] = number
    vocabulary = forged_arrays(**arrays)
    if vocabulary is not None:
        check_walks(vocabulary)


@pytest.mark.parametrize(
    "header",
    [
        b"",
        b"\xff",
        b"[]",
        b"{}",
        b"[" * 100_000,
        {"eos_token_ids": []},
        {"eos_token_ids": [0]},
        {"eos_token_ids": [12]},
        {"eos_token_ids": [-1]},
        {"eos_token_ids": ["7"]},
        {"eos_token_ids": 7},
        {"bos_token_id": 12},
        {"special_tokens": {"<t>": 2}},
        {"special_tokens": {"<t>": 12}},
        {"special_tokens": {"<t>": 10**30}},
        {"special_tokens": {"<t>": -1}},
        {"special_tokens": {"<t>": None}},
        {"special_tokens": [8]},
        {"lengths": []},
        {"lengths": LENGTHS[:-1]},
        {"lengths": [*LENGTHS, 0]},
        {"lengths": [*LENGTHS[:-1], 10**30]},
        {"lengths": [*LENGTHS[:-1], LENGTHS[-1] - 1]},
        {"lengths": [LENGTHS[0] + 1, LENGTHS[1] - 1, *LENGTHS[2:]]},
        {"lengths": [0, LENGTHS[1] + LENGTHS[0], *LENGTHS[2:]]},
        {"lengths": [-1, LENGTHS[1] + LENGTHS[0] + 1, *LENGTHS[2:]]},
        {"lengths": "1111111"},
    ],
)
def test_forged_headers_are_refused(header):
    true, rest = taken_apart(SMALL)
    if isinstance(header, dict):
        header = json.dumps(json.loads(true) | header).encode()
    header += b" " * (-len(header) % 4)
    assert forged(header, rest) is None


def test_forged_sizes_of_the_header_are_refused():
    header, rest = taken_apart(SMALL)
    assert forged(header, rest) == SMALL
    for size in {*range(len(header) + len(rest) + 8), 2**32 - 4, 2**32 - 1} - {len(header)}:
        assert forged(header, rest, size) is None, size


# From here on with files: a tokenizer.json and a folder for what is kept.


def write_tokenizer(folder: Path, pieces: list[str], **config: object) -> Path:
    document = {
        "model": {"type": "BPE", "vocab": {piece: i for i, piece in enumerate(pieces)}, "merges": []},
        "decoder": {"type": "ByteLevel"},
        "added_tokens": [{"id": len(pieces), "content": "<eos>", "special": True}],
    }
    folder.mkdir(exist_ok=True)
    (folder / "tokenizer.json").write_text(json.dumps(document), encoding="utf-8")
    (folder / "tokenizer_config.json").write_text(json.dumps({"eos_token": "<eos>"} | config), encoding="utf-8")
    return folder


@pytest.fixture
def tokenizer(tmp_path):
    return write_tokenizer(tmp_path / "tokenizer", ["a", "b", "ab", "Ġ"])


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("GCD_VOCABULARY_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


EXPECTED = Vocabulary([b"a", b"b", b"ab", b" ", b""], eos_token_ids=[4], special_tokens={"<eos>": 4})


def test_a_second_reading_is_from_disk(tokenizer, cache):
    assert Vocabulary.from_tokenizer(tokenizer) == EXPECTED
    (file,) = cache.iterdir()
    check_equal(unpacked(file.read_bytes()), EXPECTED)
    file.write_bytes(pack_vocabulary(SMALL))  # what lies there is what is given
    assert Vocabulary.from_tokenizer(tokenizer) == SMALL
    assert Vocabulary.from_tokenizer(tokenizer / "tokenizer.json") == SMALL


def test_only_we_can_read_and_write_it(tokenizer, cache):
    Vocabulary.from_tokenizer(tokenizer)
    (file,) = cache.iterdir()
    assert cache.stat().st_mode & 0o777 == 0o700
    assert file.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("damage", [lambda c: b"", lambda c: c[:-1], lambda c: c[:40], lambda c: b"x" + c[1:]])
def test_a_damaged_file_is_written_anew(tokenizer, cache, damage):
    Vocabulary.from_tokenizer(tokenizer)
    (file,) = cache.iterdir()
    content = file.read_bytes()
    file.write_bytes(damage(content))
    assert Vocabulary.from_tokenizer(tokenizer) == EXPECTED
    assert file.read_bytes() == content
    assert list(cache.iterdir()) == [file]


def test_an_edited_tokenizer_is_another(tokenizer, cache):
    Vocabulary.from_tokenizer(tokenizer)
    write_tokenizer(tokenizer, ["a", "b", "ba", "Ġ"])
    assert Vocabulary.from_tokenizer(tokenizer).tokens[2] == b"ba"
    write_tokenizer(tokenizer, ["a", "b", "ab", "Ġ"])
    assert Vocabulary.from_tokenizer(tokenizer) == EXPECTED
    assert len(list(cache.iterdir())) == 2


def test_the_files_beside_a_tokenizer_count(tokenizer, cache):
    """Each appears, in the order in which it loses its say to the next."""
    ends = [Vocabulary.from_tokenizer(tokenizer).eos_token_ids]
    for name, token_id in (("config.json", 0), ("generation_config.json", 1)):
        (tokenizer / name).write_text(json.dumps({"eos_token_id": [4, token_id]}), encoding="utf-8")
        ends.append(Vocabulary.from_tokenizer(tokenizer).eos_token_ids)
    write_tokenizer(tokenizer, ["a", "b", "ab", "Ġ"], eos_token="ab")
    ends.append(Vocabulary.from_tokenizer(tokenizer).eos_token_ids)
    assert ends == [(4,), (0, 4), (1, 4), (1, 2, 4)]


def test_arguments_count(tokenizer, cache):
    assert Vocabulary.from_tokenizer(tokenizer, 9).size == 9
    assert Vocabulary.from_tokenizer(tokenizer, eos_token_ids=[1]).eos_token_ids == (1,)
    assert Vocabulary.from_tokenizer(tokenizer) == EXPECTED
    assert len(list(cache.iterdir())) == 3


def test_what_changes_while_it_is_read_is_not_kept(tokenizer, cache):
    def build() -> Vocabulary:
        write_tokenizer(tokenizer, ["changed"])
        return SMALL

    assert stored([tokenizer / "tokenizer.json"], None, build) is SMALL
    assert list(cache.iterdir()) == []


def test_the_16_that_were_used_last_are_kept(tokenizer, cache):
    cache.mkdir(mode=0o700)
    others = cache / "notes.txt", cache / "x.gcd-vocabulary-new"  # not ours; left behind by a process that was killed
    for file in others:
        file.write_text("")
        os.utime(file, (500, 500))
    for size in range(5, 25):
        for file in cache.glob("*.gcd-vocabulary"):
            os.utime(file, (1000, 1000))
        stored([tokenizer / "tokenizer.json"], "first", lambda: EXPECTED)
        Vocabulary.from_tokenizer(tokenizer, size)
    assert [file.exists() for file in others] == [True, False]
    assert len(list(cache.glob("*.gcd-vocabulary"))) == 16
    assert stored([tokenizer / "tokenizer.json"], "first", lambda: SMALL) == EXPECTED


def test_off(tokenizer, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GCD_VOCABULARY_CACHE", "off")
    assert Vocabulary.from_tokenizer(tokenizer) == EXPECTED
    assert sorted(path.name for path in tmp_path.iterdir()) == ["tokenizer"]


def test_a_private_folder_of_the_user_by_default(tokenizer, tmp_path, monkeypatch):
    monkeypatch.delenv("GCD_VOCABULARY_CACHE")
    monkeypatch.setattr("platformdirs.user_cache_dir", lambda *names, **options: str(tmp_path / names[0]))
    Vocabulary.from_tokenizer(tokenizer)
    (file,) = (tmp_path / "gcd-decoding" / "vocabularies").iterdir()
    assert unpacked(file.read_bytes()) == EXPECTED


@pytest.mark.parametrize("place", ["below a file", "writable by others", "a link"])
def test_no_folder_that_is_ours_alone(tokenizer, cache, tmp_path, monkeypatch, place):
    """Then nothing is read and nothing is written, and nothing is said."""
    if place == "below a file":
        cache.write_text("")
        monkeypatch.setenv("GCD_VOCABULARY_CACHE", str(cache / "cache"))
    else:
        real = tmp_path / "real"
        real.mkdir()
        if place == "a link":
            cache.symlink_to(real)
        else:
            real.rename(cache).chmod(0o777)
    assert Vocabulary.from_tokenizer(tokenizer) == EXPECTED
    assert cache.is_file() or list(cache.iterdir()) == []


def run(code: str, *arguments: object) -> subprocess.Popen[str]:
    command = [sys.executable, "-W", "always", "-c", code, *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_a_full_disk(tokenizer, cache):
    """Files may be 100 bytes long: writing fails half-way, and the half is removed."""
    code = (
        "import resource, sys, pathlib; from tokenizer_align.vocabulary import Vocabulary\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))\n"
        "print(Vocabulary.from_tokenizer(pathlib.Path(sys.argv[1])).size)"
    )
    assert run(code, tokenizer).communicate() == ("5\n", "")
    assert list(cache.iterdir()) == []


def test_two_processes_at_once(tokenizer, cache):
    """Each removes, writes and reads the same file a hundred times; what either gets is always right."""
    code = (
        "import sys, pathlib\n"
        "from tokenizer_align.store import stored\n"
        "from tokenizer_align.vocabulary import Vocabulary\n"
        "tokenizer, cache = map(pathlib.Path, sys.argv[1:])\n"
        "big = Vocabulary([i.to_bytes(2, 'big') for i in range(5000)] + [b''], eos_token_ids=[5000])\n"
        "big.trie\n"
        "for _ in range(100):\n"
        "    found = stored([tokenizer / 'tokenizer.json'], None, lambda: big)\n"
        "    assert found == big and len(found.trie.children.node) == len(big.trie)\n"
        "    for file in cache.glob('*.gcd-vocabulary'): file.unlink(missing_ok=True)\n"
        "stored([tokenizer / 'tokenizer.json'], None, lambda: big)\n"
    )
    processes = [run(code, tokenizer, cache) for _ in range(2)]
    assert [process.communicate() for process in processes] == [("", "")] * 2
    (file,) = cache.iterdir()
    assert unpacked(file.read_bytes()) is not None
