"""Parts that may take only so many tokens: masks, ends and budgets beside the list of all spellings.

GCD_LAW_CASES=5000 checks that many random grammars, GCD_LAW_FIRST=100000 begins at that seed.
"""

from __future__ import annotations

import os
import random
from collections.abc import Iterator

import pytest
from mask_laws import bits

from grammars.compile import compile_grammar
from grammars.ir import AtMostTokens, Bytes, CharClass, Choice, Grammar, Node, Ref, Repeat, Sequence
from tokenizer_align.constraint import align
from tokenizer_align.errors import VocabularyMismatch
from tokenizer_align.vocabulary import Vocabulary

CASES = int(os.environ.get("GCD_LAW_CASES", "150"))
FIRST = int(os.environ.get("GCD_LAW_FIRST", "0"))

LETTER = CharClass(((0x61, 0x62),))
A, B, END = Bytes(b"a"), Bytes(b"b"), Bytes(b"!")
Rules = dict[str, Node]
Spelling = tuple[bytes, ...]


class Twin:
    """The spellings of a grammar's texts of at most so many bytes, and those of them that keep to its limits."""

    def __init__(self, rules: Rules, tokens: list[bytes], longest: int) -> None:
        self.rules, self.tokens = rules, tokens
        texts = self.texts(rules["start"], longest)
        self.free = {spelling for text in texts for spelling in self.spellings(text)}
        self.whole = {*filter(self.reads, self.free)}

    def texts(self, node: Node, room: int) -> set[bytes]:
        """All texts of a node, whatever its limits."""
        match node:
            case Bytes(text):
                return {text} if len(text) <= room else set()
            case CharClass(ranges):
                return {bytes((byte,)) for low, high in ranges for byte in range(low, high + 1)} if room else set()
            case Choice(items):
                return set().union(*(self.texts(item, room) for item in items))
            case Sequence((first, *rest)):
                behind = Sequence(tuple(rest))
                return {a + b for a in self.texts(first, room) for b in self.texts(behind, room - len(a))}
            case Sequence():
                return {b""}
            case Repeat(item, low, high):
                found, now = {b""} if low == 0 else set[bytes](), {b""}
                for count in range(1, (room if high is None else high) + 1):
                    now = {a + b for a in now for b in self.texts(item, room - len(a))}
                    found |= now if count >= low else set()
                return found
            case Ref(name):
                return self.texts(self.rules[name], room)
            case AtMostTokens(item):
                return self.texts(item, room)
        raise AssertionError(node)

    def spellings(self, text: bytes) -> Iterator[Spelling]:
        """All ways to write a text in tokens."""
        if not text:
            yield ()
        for token in self.tokens:
            if text.startswith(token):
                yield from ((token, *rest) for rest in self.spellings(text[len(token) :]))

    def reads(self, spelling: Spelling) -> bool:
        data = b"".join(spelling)
        owner = [number for number, token in enumerate(spelling) for _ in token]  # which token a byte is of
        return len(data) in self.ends(self.rules["start"], 0, data, owner)

    def ends(self, node: Node, at: int, data: bytes, owner: list[int]) -> set[int]:
        """Where the texts of a node that begin at a place end."""
        match node:
            case Bytes(text):
                return {at + len(text)} if data.startswith(text, at) else set()
            case CharClass(ranges):
                return {at + 1} if at < len(data) and any(low <= data[at] <= high for low, high in ranges) else set()
            case Choice(items):
                return set().union(*(self.ends(item, at, data, owner) for item in items))
            case Sequence(items):
                found = {at}
                for item in items:
                    found = set().union(*(self.ends(item, start, data, owner) for start in found))
                return found
            case Repeat(item, low, high):
                found, now = {at} if low == 0 else set(), {at}
                for count in range(1, (len(data) if high is None else high) + 1):
                    now = set().union(*(self.ends(item, start, data, owner) for start in now))
                    found |= now if count >= low else set()
                return found
            case Ref(name):
                return self.ends(self.rules[name], at, data, owner)
            case AtMostTokens(item, most):
                return {end for end in self.ends(item, at, data, owner) if len({*owner[at:end]}) <= most}
        raise AssertionError(node)


def check(rules: Rules, more: list[bytes], *, longest: int, surely: int, read: Rules | None = None) -> int:
    """Checks every spelling of at most `surely` bytes that some whole one of at most `longest` begins with.

    All of these must end within that, if they do, and behind any further token too. `read` are other rules for the
    twin, of the same language. Returns how many masks a limit made smaller.
    """
    tokens = [b"a", b"b", b"!", *more]
    read, eos = read or rules, len(tokens)
    twin = Twin(read, tokens, longest)
    begun, free = begins(twin.whole), begins(twin.free)
    vocabulary = Vocabulary([*tokens, b""], eos_token_ids=[eos], special_tokens={"<eos>": eos})
    constraint, narrower = align(compile_grammar(Grammar(rules)), vocabulary), 0
    for spelling in sorted(begun, key=lambda s: (len(s), s)):
        if sum(map(len, spelling)) > surely:
            continue
        state = constraint.start
        for token in spelling:
            state = constraint.advance(state, tokens.index(token))
        wanted = {t for t, token in enumerate(tokens) if (*spelling, token) in begun}
        is_whole = spelling in twin.whole
        assert bits(constraint.mask(state)) == wanted | ({eos} if is_whole else set()), (rules, more, spelling)
        assert constraint.is_accepting(state) == is_whole
        unlimited = {t for t, token in enumerate(tokens) if (*spelling, token) in free}
        narrower += wanted < unlimited or is_whole < (spelling in twin.free)
        needed = constraint.min_tokens_to_end(state)
        assert (needed == 0) == is_whole, (rules, more, spelling)
        after = {t: constraint.min_tokens_to_end(constraint.advance(state, t)) for t in wanted}
        assert not needed or min(after.values()) < needed, (rules, more, spelling)
        for budget in range(needed + 1, needed + 3):
            kept = {t for t in wanted if after[t] <= budget - 2}
            assert bits(constraint.mask(state, budget)) - {eos} == kept, (rules, more, spelling, budget)
    return narrower


def begins(whole: set[Spelling]) -> set[Spelling]:
    return {spelling[:n] for spelling in whole for n in range(len(spelling) + 1)}


WORD = AtMostTokens(Repeat(LETTER, 1), 2)
LIST: Rules = {"start": Sequence((WORD, Repeat(Sequence((END, WORD)))))}
WRITTEN: dict[str, tuple[Rules, list[bytes]]] = {
    "ends with a suffix": ({"start": Sequence((WORD, END))}, [b"ab", b"b!"]),
    "only the last token reaches behind it": (
        {"start": Sequence((AtMostTokens(Choice((B, Bytes(b"aab"))), 1), END, END))},
        [b"aab!", b"!!"],
    ),
    "two in a row, which a text may be split into": ({"start": Repeat(WORD, 1, 2)}, [b"aa", b"aab"]),
    "on the left of itself": ({"start": Choice((Sequence((Ref("start"), END, WORD)), WORD))}, [b"a!", b"!a!b"]),
    "inside of what nests": ({"start": Sequence((A, Choice((Ref("start"), WORD)), END))}, [b"aa", b"b!!"]),
    "another one begins in its last token": (
        {"start": Sequence((WORD, END, AtMostTokens(Repeat(LETTER, 2, 3), 1)))},
        [b"ab", b"!a", b"b!bb", b"aa"],
    ),
    "beside the same without a limit": ({"start": Choice((WORD, Sequence((Repeat(LETTER), END))))}, [b"ab"]),
    "it may be empty": ({"start": Sequence((AtMostTokens(Repeat(A), 1), END))}, [b"aa", b"aa!"]),
}


@pytest.mark.parametrize("name", WRITTEN)
def test_masks_are_those_of_the_list_of_all_spellings(name: str) -> None:
    rules, more = WRITTEN[name]
    longest, surely = (9, 3) if name == "inside of what nests" else (8, 4)
    assert check(rules, more, longest=longest, surely=surely, read=LIST if name == "on the left of itself" else None)


def test_masks_of_random_grammars() -> None:
    met = {"checked": 0, "refused": 0, "narrower": 0}
    for seed in range(FIRST, FIRST + CASES):
        rules, more = random_case(random.Random(seed))
        try:
            met["narrower"] += check(rules, more, longest=7, surely=7)
            met["checked"] += 1
        except VocabularyMismatch:
            met["refused"] += 1
        except Exception as error:
            raise AssertionError(f"seed {seed}: {rules} with {more}") from error
    print(met)
    assert met["refused"] < CASES / 4
    assert met["narrower"] > 5 * CASES


def random_case(rng: random.Random) -> tuple[Rules, list[bytes]]:
    """A grammar whose texts have at most 7 bytes, and tokens beside single bytes."""
    regular: list[Node] = [
        Repeat(LETTER, rng.randint(0, 1), rng.randint(1, 3)),
        Choice(tuple(Bytes(bytes(rng.choices(b"ab!", k=rng.randint(1, 3)))) for _ in range(3))),
        Sequence((Repeat(A, 0, 2), rng.choice((B, END)))),
    ]

    def part() -> Node:
        item = rng.choice(regular)
        return AtMostTokens(item, rng.randint(1, 2)) if rng.random() < 0.7 else item

    rules: Rules = {"x": Choice((part(), part())), "y": Sequence((part(), rng.choice((END, A))))}
    ways: list[Node] = [
        Sequence((Ref("x"), END, Ref("x"))),
        Sequence((Ref("x"), Repeat(Ref("y"), 0, 1))),
        Repeat(part(), 1, 2),
        Choice((Ref("y"), Sequence((Ref("x"), END)))),
    ]
    rules["start"] = rng.choice(ways)
    more = {bytes(rng.choices(b"aab!", k=rng.randint(2, 4))) for _ in range(rng.randint(1, 3))}
    return rules, sorted(more)


def test_a_part_that_no_spelling_fits_is_refused() -> None:
    rules: Rules = {"start": Sequence((END, AtMostTokens(Bytes(b"abab"), 3)))}
    with pytest.raises(VocabularyMismatch) as caught:
        check(rules, [], longest=5, surely=5)
    assert str(caught.value) == (
        "a part of the grammar may take at most 3 tokens, and 4 are needed for its shortest text with this vocabulary"
    )
    assert check(rules, [b"aba"], longest=5, surely=5)
