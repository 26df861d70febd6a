"""Code points to bytes: every spelling, and nothing else."""

from __future__ import annotations

import itertools
import json
import random

import pytest

from grammars import quoted, utf8
from grammars.chars import char_dfa
from grammars.dfa import Dfa, Edge, minimise
from grammars.ir import ANY_CHAR, CharClass, Choice, Ranges, Repeat, Spelling, text
from grammars.quoted import quoted_table
from grammars.utf8 import RAW, TICK, Row, encode_json, encode_utf8

ONE = char_dfa(ANY_CHAR)


def texts(dfa: Dfa) -> set[bytes]:
    """All strings of a byte DFA without cycles."""
    found: set[bytes] = set()
    pending = [(0, b"")]
    while pending:
        state, data = pending.pop()
        if state in dfa.finals:
            found.add(data)
        for low, high, target in dfa.edges[state]:
            pending += [(target, data + bytes([byte])) for byte in range(low, high + 1)]
    return found


def accepts(dfa: Dfa, data: bytes) -> bool:
    state = 0
    for byte in data:
        state = dfa.step(state, byte) if state >= 0 else -1
    return state in dfa.finals


def a_class(low: int, high: int) -> Dfa:
    """The texts of one character from low to high, surrogates left out."""
    cut: Ranges = tuple((a, b) for a, b in [(low, min(high, 0xD7FF)), (max(low, 0xE000), high)] if a <= b)
    return char_dfa(CharClass(cut))


@pytest.mark.parametrize(
    ("low", "high"), [(0x00, 0x7F), (0x41, 0x5A), (0x7E, 0x82), (0x7F0, 0x810), (0xD7F0, 0xE00F), (0xFFF0, 0x1000F)]
)
def test_utf8_of_a_range(low: int, high: int) -> None:
    expected = {chr(code).encode() for code in range(low, high + 1) if not 0xD800 <= code < 0xE000}
    assert texts(encode_utf8(a_class(low, high))) == expected


def test_utf8_of_all_characters_refuses_what_python_refuses() -> None:
    one = encode_utf8(ONE)
    wrong = [b"\xc0\x80", b"\xe0\x9f\xbf", b"\xed\xa0\x80", b"\xf0\x8f\xbf\xbf", b"\xf4\x90\x80\x80", b"\x80", b"\xff"]
    right = ["\x80", "\u0800", "\ud7ff", "\ue000", "\U00010000", "\U0010ffff"]
    assert [data for data in wrong if accepts(one, data)] == []
    assert [char for char in right if not accepts(one, char.encode())] == []


def spellings_of(char: str) -> set[bytes]:
    """The JSON spellings of one character, written down from RFC 8259."""
    code = ord(char)
    units = [code] if code < 0x10000 else [0xD800 + (code - 0x10000 >> 10), 0xDC00 + (code - 0x10000 & 0x3FF)]
    hexes = [{"".join(case) for case in itertools.product(*({c, c.upper()} for c in f"{unit:04x}"))} for unit in units]
    found = {"".join(f"\\u{h}" for h in choice).encode() for choice in itertools.product(*hexes)}
    if code >= 0x20 and char not in '"\\':
        found.add(char.encode())
    short = {'"': '\\"', "\\": "\\\\", "/": "\\/", "\b": "\\b", "\f": "\\f", "\n": "\\n", "\r": "\\r", "\t": "\\t"}
    if char in short:
        found.add(short[char].encode())
    return found


@pytest.mark.parametrize(
    "char",
    [*'\0\n "/\\a\x7fé', "\u07ff", "\u2028", "\ud7ff", "\ue000", "\uffff", "\U00010000", "😀", "\U0010ffff"],
)
def test_json_of_one_character(char: str) -> None:
    found = texts(encode_json(char_dfa(text(char))))
    assert found == spellings_of(char)
    assert all(json.loads(b'"' + data + b'"') == char for data in found)


def test_json_of_ranges_is_that_of_their_characters() -> None:
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    rng = random.Random(seed)
    for base in [0, 0x20, 0x7E, 0x7FE, 0xD7FE, 0xE000, 0xFFFE, 0x103FE, 0x10FFFD]:
        low = base + rng.randrange(3)
        high = min(low + rng.randrange(40), 0x10FFFF)
        codes = [code for code in range(low, high + 1) if not 0xD800 <= code < 0xE000]
        assert texts(encode_json(a_class(low, high))) == {s for code in codes for s in spellings_of(chr(code))}, low


IN_PARTS: list[Ranges] = [
    ((0x61, 0x61), (0x80, 0xFF), (0x180, 0x1FF)),  # behind \\u0 the digits 0 and 1 lead to the same
    ((0x61, 0x61), (0x80, 0xFFF), (0x1080, 0x1FFF)),  # behind \\u
    ((0x0, 0x7), (0x80, 0xFF), (0x180, 0x1FF), (0x280, 0x2FF)),
    ((0x41, 0x5A), (0x90, 0xFF), (0x110, 0x1FF), (0x1090, 0x10FF)),
]


@pytest.mark.parametrize("ranges", IN_PARTS)
def test_each_character_of_a_class_may_be_escaped_and_no_other(ranges: Ranges) -> None:
    one = char_dfa(CharClass(ranges))
    for spelling in RAW:
        dfa = encode_json(one, spelling)
        for code in range(0x2200):
            is_in = any(low <= code <= high for low, high in ranges)
            written = [json.dumps(chr(code), ensure_ascii=spelling == "ascii")[1:-1]]
            if spelling == "any":
                written += [f"\\u{code:04x}", f"\\u{code:04X}"]
            for data in written:
                assert accepts(dfa, data.encode()) == is_in, (spelling, data)
        assert quoted_table(one, spelling).dfa() == encode_json(one, spelling, quoted=True)


@pytest.mark.parametrize("spelling", ["raw", "ascii"])
def test_one_spelling_is_that_of_json_dumps(spelling: Spelling) -> None:
    for base in [0, 0x20, 0x5A, 0x7C, 0x7FE, 0xD7F0, 0xE000, 0xFFF0, 0x103FE, 0x10FFE0]:
        high = min(base + 40, 0x10FFFF)
        chars = [chr(code) for code in range(base, high + 1) if not 0xD800 <= code < 0xE000]
        expected = {json.dumps(char, ensure_ascii=spelling == "ascii")[1:-1].encode() for char in chars}
        assert texts(encode_json(a_class(base, high), spelling)) == expected, base


def test_lone_surrogates_are_never_written() -> None:
    one = encode_json(ONE)
    for data in [rb"\ud800", rb"\udfff", rb"\uD83D\u0041", rb"\udc00\ud800", rb"\uD83D", rb"\uD83D\n"]:
        assert not accepts(one, data), data
    assert accepts(one, rb"\uD83d\uDe00")


def test_the_byte_automaton_of_a_minimal_one_is_minimal() -> None:
    words = Choice(tuple(map(text, ["naïve", "nature", "native", "日本", "日中", "😀", 'a"b'])))
    for node in (words, Repeat(ANY_CHAR), Repeat(CharClass(((0x30, 0x39), (0x3B1, 0x3C9))), 2, 5)):
        for encoded in (encode_json(char_dfa(node)), encode_utf8(char_dfa(node))):
            assert len(minimise(encoded).edges) == len(encoded.edges)


def test_ticks_stand_on_first_bytes_alone() -> None:
    ticked = encode_json(char_dfa(Repeat(ANY_CHAR)), ticks=True)
    plain = encode_json(char_dfa(Repeat(ANY_CHAR)))
    for state, (row, without) in enumerate(zip(ticked.edges, plain.edges, strict=True)):
        shift = TICK if state == 0 else 0
        assert row == tuple((low + shift, high + shift, target) for low, high, target in without)


def random_dfa(rng: random.Random) -> Dfa:
    """States that share a few shapes, with edges that begin and end where spellings change."""
    most = 0x110000
    marks = [0x1F, 0x20, 0x22, 0x2F, 0x5B, 0x5C, 0x5D, 0x7E, 0x7F, 0x80, 0x7FF, 0x800, 0xD7FF, 0xE000, 0xFFFF, 0x10000]
    count = rng.choice([1, 3, 40])
    shapes = []
    for _ in range(rng.randint(1, 4)):
        cuts = sorted({*rng.sample(range(most), rng.randint(0, 4)), *rng.sample(marks, rng.randint(1, 8)), most})
        ranges = [(low, following - 1) for low, following in itertools.pairwise(cuts)]
        shapes.append([(low, high) for low, high in ranges if (high < 0xD800 or low > 0xDFFF) and rng.random() < 0.8])
    rows = []
    for _ in range(count):
        row: list[tuple[int, int, int]] = []
        for low, high in rng.choice(shapes):
            target = rng.randrange(count)
            if row and row[-1][2] == target and row[-1][1] + 1 == low:
                low = row.pop()[0]
            row.append((low, high, target))
        rows.append(tuple(row))
    return Dfa(tuple(rows), frozenset(rng.sample(range(count), rng.randint(1, count))))


EDGES = (0, 8, 0x20, 0x22, 0x30, 0x40, 0x5B, 0x5C, 0x5D, 0x7F, 0x80, 0xFF, 0x100, 0x180, 0x200, 0x280, 0x7FF, 0x800,
         0xFFF, 0x1000, 0x1080, 0x2000, 0xD7FF, 0xE000, 0xFFFF, 0x10000, 0x10FFFF)  # fmt: skip


def random_row(rng: random.Random) -> Row:
    """Edges on some ranges of characters, to targets as they appear."""
    cuts = sorted({*rng.sample(EDGES, rng.randint(2, 9)), *rng.choices(range(128), k=rng.randint(0, 5))})
    edges, places = list[Edge](), dict[int, int]()
    for low, end in itertools.pairwise(cuts):
        if rng.random() < 0.8:
            target = places.setdefault(rng.randrange(4), len(places))
            for first, last in ((0, 0xD7FF), (0xE000, 0x10FFFF)):
                if max(low, first) <= min(end - 1, last):
                    edges.append((max(low, first), min(end - 1, last), target))
    return tuple(edges)


@pytest.mark.parametrize("seed", range(20))
def test_the_straight_way_writes_what_joining_two_parts_gives(seed: int) -> None:
    rng = random.Random(seed)
    for _ in range(50):
        row = random_row(rng)
        ascii_, others = [utf8._common(row, (part,)) for part in ((0, 0x7F), (0x80, 0x10FFFF))]
        if not ascii_ or not others:
            continue
        found = utf8._spelt_straight(1 + max(target for _, _, target in row), ascii_, others)
        joined = utf8._United(1 + max(target for _, _, target in row), "any", ascii_, others).spelt()
        assert (found.first, found.rows) == (joined.first, joined.rows), row
        beyond = utf8.beyond_ascii(found.others).rows
        for written, origin in zip(found.rows, found.origins, strict=True):
            assert origin < 0 or [edge[:2] for edge in written] == [edge[:2] for edge in beyond[origin]]


@pytest.mark.parametrize("seed", range(40))
@pytest.mark.parametrize("ticks", [False, True])
def test_all_states_at_once_are_those_one_by_one(seed: int, ticks: bool) -> None:
    dfa = random_dfa(random.Random(seed))
    for spelling in RAW:
        assert quoted_table(dfa, spelling, ticks=ticks).dfa() == encode_json(dfa, spelling, ticks=ticks, quoted=True)


def test_tables_do_not_depend_on_the_kinds_numbered_before(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quoted, "_MOST_KINDS", 0)
    for seed in (1, 2, 1):
        dfa = random_dfa(random.Random(seed))
        assert quoted_table(dfa, "any").dfa() == encode_json(dfa, "any", quoted=True)
