"""The naive twin against itself and against strangers: enumeration, derivatives, Python's `re`, lark's Earley."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Iterator
from itertools import product

import lark
import pytest
from derivations import derive
from derivatives import TooLarge, characters_of, code_points_of
from naive import Language, json_content, special_tokens, spellings
from random_grammars import Draw, random_case, random_language

from grammars.ir import (
    ANY_CHAR,
    EPSILON,
    NOTHING,
    And,
    ByteClass,
    Bytes,
    Choice,
    Grammar,
    JsonString,
    Length,
    Node,
    Not,
    Ref,
    Repeat,
    Sequence,
    SpecialToken,
    char_class,
    text,
)

A, B, LETTER = text("a"), text("b"), char_class([(97, 98)])
WIDE = char_class([(0xE9, 0xE9), (0x20AC, 0x20AC), (0x1F600, 0x1F600)])


def words(alphabet: bytes, longest: int) -> Iterator[bytes]:
    return (bytes(t) for n in range(longest + 1) for t in product(alphabet, repeat=n))


# start rule or rules, members, texts that are none (with "!" first: no member starts so)
TABLE: list[tuple[Node | dict[str, Node], list[str], list[str]]] = [
    (EPSILON, [""], ["!a"]),
    (Choice((NOTHING, A)), ["a"], ["", "!b"]),
    (Sequence(()), [""], ["!a"]),
    (Sequence((A, NOTHING, B)), [], ["!", "!a"]),
    (Repeat(A, 2, 3), ["aa", "aaa"], ["", "a", "!aaaa"]),
    (Repeat(Choice((A, EPSILON)), 2, 3), ["", "a", "aa", "aaa"], ["!aaaa"]),
    (Repeat(NOTHING), [""], ["!a"]),
    (Repeat(NOTHING, 1, 2), [], ["!"]),
    (Repeat(A, 3, 2), [], ["!"]),
    (Repeat(A, 0, 0), [""], ["!a"]),
    (Repeat(Repeat(A, 2, 2), 1, 2), ["aa", "aaaa"], ["aaa", "!aaaaa"]),
    (Repeat(Repeat(A, 2, 3), 2, None), ["aaaa", "aaaaaaa"], ["aaa"]),
    (WIDE, ["é", "€", "😀"], ["", "!a", "!è", "!éé"]),
    (And((Repeat(Sequence((A, A))), Repeat(Sequence((A, A, A))))), ["", "aaaaaa"], ["aa", "aaa"]),
    (And((Repeat(A, 0, 3), Repeat(A, 2, 9), Not(Repeat(A, 3, 3)))), ["aa"], ["", "a", "!aaa"]),
    (Not(A), ["", "b", "aa", "é"], ["a"]),
    (Not(Repeat(ANY_CHAR)), [], ["!"]),
    (And((Not(Sequence((A, Repeat(ANY_CHAR)))), Repeat(LETTER))), ["", "b", "ba"], ["!a", "!ab"]),
    (Length(Repeat(Sequence((A, B))), 3, 5), ["abab"], ["ab", "!ababa"]),
    (Length(Repeat(Sequence((A, B))), 3, 3), [], ["!"]),
    (Length(Repeat(WIDE), 1, 2), ["é", "€😀"], ["", "!€€€"]),
    (JsonString(EPSILON), ['""'], ["", "!a", '!"a']),
    (JsonString(A), ['"a"', r'"\u0061"'], ['"', r'!"\u0062', r'!"\a', '!"aa']),
    (JsonString(text("/")), ['"/"', r'"\/"', r'"\u002f"', r'"\u002F"'], [r'!"\u002e', '!"//']),
    (JsonString(text("\n")), [r'"\n"', r'"\u000a"'], ['!"\n', r'!"\r']),
    (JsonString(text("😀")), ['"😀"', r'"\ud83d\ude00"', r'"\uD83d\uDe00"'], [r'!"\ud83d"', r'!"\ude00', r'!"\ud83e']),
    (
        JsonString(Length(Repeat(ANY_CHAR), 2, 2)),
        [r'"\ud83d\ude00a"', '"€\x7f"'],
        ['!"a"', '!"\x00', r'!"\ud83d\ud83d'],
    ),
    ({"start": Choice((Sequence((Ref("start"), A)), B))}, ["b", "baa"], ["", "!a", "!bb"]),
    ({"start": Choice((Sequence((Ref("start"), Ref("start"))), A, EPSILON))}, ["", "a", "aaaa"], ["!b"]),
    ({"start": Choice((Sequence((Repeat(A, 0, 1), Ref("start"), B)), A))}, ["a", "ab", "aab", "aaabb"], ["aa", "!b"]),
    ({"start": Choice((Sequence((A, Ref("start"), B)), EPSILON))}, ["", "ab", "aabb"], ["aab", "!b", "!aabbb"]),
    ({"start": Ref("start")}, [], ["!", "!a"]),
    ({"start": Sequence((Ref("x"), B)), "x": Choice((Ref("x"), A))}, ["ab"], ["a", "!b"]),
    ({"start": Sequence((Repeat(Ref("start"), 0, 2), A))}, ["a", "aa", "aaaa"], ["", "!b"]),
    (
        {
            "start": Choice((Sequence((Ref("A"), text("1"))), Sequence((Ref("B"), text("2"))))),
            "A": Choice((Sequence((Ref("B"), text("y"))), A)),
            "B": Sequence((Ref("A"), text("x"))),
        },
        ["a1", "ax2", "axy1", "axyx2"],
        ["!a2", "ax", "!ax1"],
    ),
]


@pytest.mark.parametrize(("grammar", "members", "others"), TABLE)
def test_naive_table(grammar: Node | dict[str, Node], members: list[str], others: list[str]) -> None:
    language = Language(Grammar(grammar if isinstance(grammar, dict) else {"start": grammar}))
    for member in members:
        data = member.encode()
        assert language.accepts(data), member
        assert all(language.alive(data[:i]) for i in range(len(data) + 1)), member
    for other in others:
        data = other.removeprefix("!").encode()
        assert not language.accepts(data), other
        assert language.alive(data) != other.startswith("!"), other
    assert language.is_empty() == (not members)


def test_naive_special_tokens_are_symbols() -> None:
    language = Language(Grammar({"start": Sequence((A, Repeat(SpecialToken("<t>")), B))}))
    assert language.accepts((97, "<t>", "<t>", 98))
    assert language.following(b"a") == {"<t>", 98}
    assert language.forced_text(b"") == b"a"
    assert language.mask([(97,), ("<t>",), (), (97, 98, 99), (98,)], b"a") == {1, 4}


def test_naive_spellable_mask_knows_dead_ends_of_the_vocabulary() -> None:
    language = Language(Grammar({"start": Choice((text("abc"), text("abd")))}))
    tokens = [(97,), (97, 98), (98, 99), (99,)]
    assert language.mask(tokens, b"") == {0, 1}
    assert language.spellable_mask(tokens, b"", 3) == {0, 1}
    assert language.spellable_mask(tokens[:2], b"", 3) == set()
    assert language.spellable_mask([(97,), (97, 98), (98, 99)], b"", 3) == {0}


def small_language(seed: int) -> tuple[Language, bytes] | None:
    """A random language over at most four bytes, None when the seed gives another one."""
    _, language = random_language(random.Random(seed))
    used = bytes(sorted(language.used_bytes()))
    return (language, used) if len(used) <= 4 and not special_tokens(language.grammar) else None


def test_naive_spans_equal_enumeration() -> None:
    compared = 0
    for seed in range(60):
        if (small := small_language(seed)) is None:
            continue
        language, used = small
        longest = {0: 2, 1: 9, 2: 7, 3: 5, 4: 4}[len(used)]
        try:
            members = language.members(used, longest)
        except TooLarge:
            continue
        compared += 1
        assert members == {w for w in words(used, longest) if language.accepts(w)}, f"seed {seed}"
        beginnings = {m[:i] for m in members for i in range(len(m) + 1)}
        assert all(language.alive(w) for w in beginnings), f"seed {seed}"
        assert language.is_empty() <= (not members), f"seed {seed}"
        assert {b for m in members for b in m} <= set(used), f"seed {seed}"
    assert compared > 20


def test_naive_alive_is_what_has_a_completion() -> None:
    """What is alive begins a member (one is found, except where all are long); what is dead begins none."""
    found = missed = 0
    for seed in range(25):
        if (small := small_language(seed)) is None:
            continue
        language, used = small
        for word in words(used, 3):
            if not language.alive(word):
                assert not any(language.accepts(word + more) for more in words(used, 2)), f"seed {seed}: {word!r}"
            elif completes(language, word):
                found += 1
            else:
                missed += 1
    assert found > 100 + 5 * missed, (found, missed)


def completes(language: Language, text: bytes) -> bool:
    """Whether a member is among the next 150 texts, shorter ones first; no text on the way is a dead end."""
    row = [text]
    for at in row:
        if language.accepts(at):
            return True
        following = language.following(at)
        assert following, f"a dead end after {at!r}"
        row += [at + bytes([symbol]) for symbol in following if isinstance(symbol, int)] if len(row) < 150 else []
    return False


def test_naive_spans_equal_derivatives() -> None:
    """Two readings of And, Not, Length and JsonString that share no line."""
    for seed in range(100):
        rng = random.Random(seed)
        language = Language(Grammar({"start": Draw(rng).regular(3, [])}))
        e = language.expression(language.grammar.rules["start"])
        if language.is_empty():
            continue
        for _ in range(6):
            data = bytearray(b for b in derive(language, rng).text if isinstance(b, int))[:20]
            if rng.random() < 0.6:
                data.insert(rng.randint(0, len(data)), rng.choice(sorted(language.used_bytes()) or [97]))
            after = language.derivatives.after(e, bytes(data))
            assert language.accepts(bytes(data)) == language.derivatives.nullable(after), f"seed {seed}: {data!r}"


REGEXES = [
    (r"a*b{2,3}|c", Choice((Sequence((Repeat(A), Repeat(B, 2, 3))), text("c")))),
    (r"(a|ab)(c|bcd)?", Sequence((Choice((A, text("ab"))), Repeat(Choice((text("c"), text("bcd"))), 0, 1)))),
    (r"((a|b){2}c){1,2}", Repeat(Sequence((Repeat(LETTER, 2, 2), text("c"))), 1, 2)),
    (r"(a{0,2}b?){3}", Repeat(Sequence((Repeat(A, 0, 2), Repeat(B, 0, 1))), 3, 3)),
    (r"(?!.*abc)[abc]{2,5}", And((Not(Sequence((Repeat(ANY_CHAR), text("abc"), Repeat(ANY_CHAR)))),
                                  Length(Repeat(char_class([(97, 99)])), 2, 5)))),
    (r"(?=(..)*\Z)(a|bc|d)*", Length(Repeat(Choice((A, text("bc"), text("d")))), 0, None)),
]  # fmt: skip


@pytest.mark.parametrize(("pattern", "node"), REGEXES[:-1])
def test_naive_equals_re(pattern: str, node: Node) -> None:
    language = Language(Grammar({"start": node}))
    for word in words(b"abcd", 6):
        assert language.accepts(word) == bool(re.fullmatch(pattern, word.decode())), word


CFGS = [
    ("start: start start | \"a\" | ", {"start": Choice((Sequence((Ref("start"), Ref("start"))), A, EPSILON))}),
    (
        'start: x start "b" | "a"\nx: "a"?',
        {"start": Choice((Sequence((Ref("x"), Ref("start"), B)), A)), "x": Repeat(A, 0, 1)},
    ),
    (
        'start: y "b" | "a"\ny: start "a" | y "b" | ',
        {"start": Choice((Sequence((Ref("y"), B)), A)),
         "y": Choice((Sequence((Ref("start"), A)), Sequence((Ref("y"), B)), EPSILON))},
    ),
    ('start: "a" start~1..2 "b" | "b"', {"start": Choice((Sequence((A, Repeat(Ref("start"), 1, 2), B)), B))}),
]  # fmt: skip


@pytest.mark.parametrize(("source", "rules"), CFGS)
def test_naive_equals_lark_earley(source: str, rules: dict[str, Node]) -> None:
    language, parser = Language(Grammar(rules)), lark.Lark(source, parser="earley", ambiguity="resolve")
    for word in words(b"ab", 6):
        try:
            parser.parse(word.decode())
            parsed = True
        except lark.exceptions.LarkError:
            parsed = False
        assert language.accepts(word) == parsed, word


def test_naive_json_spellings_are_all_that_json_reads() -> None:
    for character in 'a"\\/\n\té€😀\x7f':
        ways = spellings(character)
        assert len(set(ways)) == len(ways)
        assert all(json.loads(f'"{way}"') == character for way in ways)
    assert json_content(r'"\ud83d"') is None
    assert json_content(' "a"') is None
    assert json_content('"\t"') is None


def test_naive_partial_characters_are_those_of_python() -> None:
    points = [*range(0x80), 0x7FF, 0x800, 0xD7FF, 0xE000, 0xFFFF, 0x10000, 0x3FFFF, 0x40000, 0x10FFFF]
    for point in points:
        data = chr(point).encode()
        for n in range(1, len(data) + 1):
            low, high = code_points_of(data[:n]) or (1, 0)
            assert low <= point <= high
            assert all(chr(p).encode().startswith(data[:n]) for p in (low, high) if not 0xD800 <= p <= 0xDFFF)
    for wrong in (b"\x80", b"\xc0", b"\xc1", b"\xe0\x80", b"\xf0\x8f", b"\xf4\x90", b"\xf5", b"\xff", b"aa"):
        assert code_points_of(wrong) is None, wrong
    for point in points:
        for way in spellings(chr(point)):
            for n in range(1, len(way.encode()) + 1):
                assert any(low <= point <= high for low, high in characters_of(way.encode()[:n])), (way, n)


def test_random_cases_depend_on_their_seed_alone() -> None:
    assert [random_case(seed) for seed in range(20)] == [random_case(seed) for seed in range(20)]


def test_naive_byte_class_is_one_byte() -> None:
    language = Language(Grammar({"start": Sequence((ByteClass(((0x80, 0x81),)), Bytes(b"\xff")))}))
    assert language.accepts(b"\x80\xff")
    assert not language.alive(b"\x82")
    assert language.used_bytes() == {0x80, 0x81, 0xFF}
