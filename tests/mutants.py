"""Planted errors: what the laws must catch, each a change of the engine's text.

Run as a program, in a copy of the packages, it checks the laws on a small corpus and exits with 1 at the first failure:

    PYTHONPATH=copy:tests NUMBA_DISABLE_JIT=1 python tests/mutants.py

Every mutant is an error that an engine of this kind has had or could have, and passes all other cases.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from mask_laws import check_everywhere
from random_grammars import Case

from grammars.ir import (
    ANY_CHAR,
    EPSILON,
    And,
    ByteClass,
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

__all__ = ["MUTANTS", "Mutant", "corpus", "planted"]

KERNELS = "tokenizer_align/kernels.py"
CONSTRAINT = "tokenizer_align/constraint.py"
SIMPLIFY = "grammars/simplify.py"
AUTOMATON = "grammars/automaton.py"
COMPILE = "grammars/compile.py"
UTF8 = "grammars/utf8.py"


@dataclass(frozen=True, slots=True)
class Mutant:
    """An error in one file: each old text, which must occur exactly once, is replaced by the new one."""

    name: str
    file: str
    edits: tuple[tuple[str, str], ...]


def mutant(name: str, file: str, *edits: str) -> Mutant:
    return Mutant(name, file, tuple(zip(edits[::2], edits[1::2], strict=True)))


MUTANTS = [
    # counters
    mutant(
        "the counter is dropped from the key of a record",
        KERNELS,
        "        mixed = ((mixed ^ (Int(buffer[i])",
        "        if (i - begin) % 3 == 1:\n            continue\n        mixed = ((mixed ^ (Int(buffer[i])",
        "                if a.heap[at + i] != a.buffer[begin + i]:",
        "                if i % 3 != 1 and a.heap[at + i] != a.buffer[begin + i]:",
    ),
    mutant(
        "the lower bound of a counter is ignored at the end of a rule",
        KERNELS,
        "(counter < m.rule_min[rule] or counter > m.rule_max[rule])",
        "counter > m.rule_max[rule]",
    ),
    mutant(
        "the upper bound of a counter is passed by one",
        KERNELS,
        "if counter >= m.rule_max[rule]:",
        "if counter > m.rule_max[rule]:",
        "counter > m.rule_max[rule])",
        "counter > m.rule_max[rule] + 1)",
    ),
    mutant(
        "a window takes one character too many",
        KERNELS,
        "found <= m.rule_max[rule] - counter)",
        "found <= m.rule_max[rule] - counter + 1)",
    ),
    mutant(
        "a window asks for one character too few",
        KERNELS,
        "found = _next_length(m, state, max(0, Int(m.rule_min[rule]) - counter))\n    return found",
        "found = _next_length(m, state, max(0, Int(m.rule_min[rule]) - counter - 1))\n    return found",
    ),
    mutant(
        "a window's remaining lengths are folded into the wrong period",
        KERNELS,
        "(least - width) % m.length_period[rule]\n",
        "(least - width + 1) % m.length_period[rule]\n",
    ),
    mutant(
        "an unbounded counter stops one below its lower bound",
        KERNELS,
        "counter >= m.rule_min[rule]:\n        return counter",
        "counter >= m.rule_min[rule] - 1:\n        return counter",
    ),
    mutant(
        "the counter of the frame below is lost when a rule ends",
        KERNELS,
        "_reach(m, a, Int(a.heap[at]), Int(a.heap[at + 1]), Int(a.heap[at + 2]))",
        "_reach(m, a, Int(a.heap[at]), Int(0), Int(a.heap[at + 2]))",
    ),
    mutant(
        "a repeat peeled off a left recursion keeps its lower bound",
        SIMPLIFY,
        "min=max(1, rule.min - 1)",
        "min=rule.min",
    ),
    # stacks
    mutant(
        "only the first of several stacks is popped",
        KERNELS,
        "        for i in range(a.heap[stack + 1]):\n            at = stack + HEADER + 3 * i\n            status = _reach",
        "        for i in range(min(1, a.heap[stack + 1])):\n            at = stack + HEADER + 3 * i\n            status = _reach",
    ),
    mutant(
        "every stack is left to the return state of the first",
        KERNELS,
        "_reach(m, a, Int(a.heap[at]), Int(a.heap[at + 1])",
        "_reach(m, a, Int(a.heap[stack + HEADER]), Int(a.heap[at + 1])",
    ),
    mutant(
        "one token pops one rule at most",
        KERNELS,
        "            status = _reach(m, a, Int(a.heap[at]), Int(a.heap[at + 1]), Int(a.heap[at + 2]))\n",
        "            status = _reach(m, a, Int(a.heap[at]), Int(a.heap[at + 1]), Int(a.heap[at + 2]))\n"
        "            a.control[1] = 0\n",
    ),
    mutant("a tail call drops a live counter", AUTOMATON, "rule.kind is Kind.PLAIN and target in rule.dfa.finals and not rule.dfa.edges[target]",
           "target in rule.dfa.finals and (rule.kind is Kind.REPEAT or not rule.dfa.edges[target])"),
    mutant("a tail call forgets that its caller may go on", AUTOMATON,
           "target in rule.dfa.finals and not rule.dfa.edges[target]", "target in rule.dfa.finals"),
    mutant("a union drops an entry of its second set", KERNELS, "            j += 1 if order >= 0 else 0\n", "            j += 1\n"),
    mutant("a union keeps the parents of its first set", KERNELS, "if order == 0 and parent != Int(a.heap[q + 2]):", "if order > 9:"),
    mutant("a union forgets that a stack may be empty", KERNELS, "Int(a.heap[x + 2] | a.heap[y + 2])", "Int(a.heap[x + 2])"),
    mutant(
        "the memo of unions knows its first set only",
        KERNELS,
        "a.unions[slot, 0] == min(left, right) and a.unions[slot, 1] == max(left, right)",
        "a.unions[slot, 0] == min(left, right)",
        "(min(left, right) * 0x01000193 + max(left, right) * 0x008DA6B3)",
        "(min(left, right) * 0x01000193)",
    ),
    # grammar rewriting
    mutant(
        "one automaton serves all rules of a left-recursive cluster",
        SIMPLIFY,
        "{offset[target] + final for final in rules[target].dfa.finals}",
        "{offset[n] + final for n in members for final in rules[n].dfa.finals}",
    ),
    mutant("a rule that may be empty cannot be passed by", SIMPLIFY, "if callee in nullable] for row in dfa.edges]",
           "if callee in nullable and False] for row in dfa.edges]"),
    mutant("a repeat of what may be empty keeps its lower bound", SIMPLIFY, "low = 1 if callee in nullable else max(1, rule.min)",
           "low = max(1, rule.min)"),
    mutant("the empty text is never accepted", COMPILE, "accepts_empty=0 in nullable", "accepts_empty=False"),
    mutant("parts that cannot end are kept", SIMPLIFY, "if callee in keep]", "]"),
    # characters
    mutant("overlong three-byte characters", UTF8, "(0x800, 0xFFFF, 2, 0xE0)", "(0x0, 0xFFFF, 2, 0xE0)"),
    mutant("overlong four-byte characters", UTF8, "(0x10000, 0x10FFFF, 3, 0xF0))", "(0x8000, 0x10FFFF, 3, 0xF0))"),
    mutant("four-byte characters end at U+FFFFF", UTF8, "(0x10000, 0x10FFFF, 3, 0xF0))", "(0x10000, 0xFFFFF, 3, 0xF0))"),
    mutant("low surrogates start at \\udd00", UTF8, "0xDC00 + low, 0xDC00 + high", "0xDD00 + low, 0xDD00 + high"),
    mutant("high surrogates start at \\ud900", UTF8, "0xD800 + high_first, 0xD800 + high_last", "0xD900 + high_first, 0xD900 + high_last"),
    mutant("no capital hex digits", UTF8, "for at in (0x41, 0x61)", "for at in (0x61,)"),
    mutant("quotes stand raw in strings", UTF8, "((0x20, 0x21), (0x23, 0x5B)", "((0x20, 0x5B)"),
    mutant("a slash has no short escape", UTF8, '0x2F: "/", ', ""),
    mutant("the closing quote is allowed everywhere", COMPILE, "if state in dfa.finals:", "if True:"),
    mutant("a complement has ASCII texts only", "grammars/chars.py", "complement(char_dfa(item), ANY_CHAR.ranges)",
           "complement(char_dfa(item), ((0, 0x7F),))"),
    # masks
    mutant("EOS is always allowed", CONSTRAINT, "if arena.accepting(number) and most >= -1:", "if most >= -1:"),
    mutant("the texts of special tokens are read", "tokenizer_align/vocabulary.py",
           "for i in (*special.values(), *eos):", "for i in ():"),
    mutant("special tokens are allowed wherever they are named", CONSTRAINT, "if after != DEAD and arena.cost(after) <= most:",
           "if arena.cost(after) <= most:"),
    mutant("of tokens with equal bytes one is allowed", KERNELS, "for i in range(t.tok_start[node], t.tok_end[node]):\n                    token",
           "for i in range(t.tok_end[node] - 1, t.tok_end[node]):\n                    token"),
    mutant("words beyond the vocabulary keep what was there", CONSTRAINT, "            rows[i, self.words :] = 0\n", ""),
    mutant("a byte class begins one late", AUTOMATON, "np.concatenate([[0, size], pairs[0], pairs[1] + 1])", "np.concatenate([[0, size], pairs[0] + 1, pairs[1] + 1])"),
    mutant("byte classes look at where edges begin", AUTOMATON, "(pairs[0] <= first) & (first <= pairs[1])", "(pairs[0] <= first)"),
    mutant("a refused byte skips the next subtree too", KERNELS, "        if after == DEAD:\n            node = Int(t.end[node])",
           "        if after == DEAD:\n            node = Int(t.end[min(t.end[node], len(t.byte) - 1)])"),
    mutant("a refused byte does not skip its subtree", KERNELS, "            node = Int(t.end[node])\n            continue\n        a.path",
           "            node += 1\n            a.path[depth] = before\n            continue\n        a.path"),
    # budgets and forced runs
    mutant("a budget does not count EOS", CONSTRAINT, "return self._fill(arena, number, budget - 2)[0]", "return self._fill(arena, number, budget - 1)[0]"),
    mutant("a budget is looked at too late", CONSTRAINT, "largest <= budget - 2", "largest <= budget"),
    mutant("a repeat costs its lower bound wherever it stands", KERNELS, "max(0, Int(m.rule_min[rule]) - counter) * Int(m.rule_cost[item])",
           "Int(m.rule_min[rule]) * Int(m.rule_cost[item])"),
    mutant("a finished text costs what its items cost", KERNELS, "a.heap[record + 3] = 0 if flag else cost", "a.heap[record + 3] = cost"),
    mutant("forced tokens go on behind a complete text", CONSTRAINT, "while not self.is_accepting(state):\n            only", "while True:\n            only"),
]  # fmt: skip


def planted(mutant: Mutant, root: Path) -> None:
    """Writes the error into the copy of the packages under `root`; AssertionError when the text is not there."""
    path = root / mutant.file
    source = path.read_text()
    for old, new in mutant.edits:
        assert source.count(old) == 1, f"{mutant.name}: {source.count(old)} times in {mutant.file}: {old!r}"
        source = source.replace(old, new)
    path.write_text(source)


# -- the corpus: one case per kind of error ----------------------------------------------------------------------------

A, B, C, AB = text("a"), text("b"), text("c"), char_class([(97, 98)])


def case(
    rules: Node | dict[str, Node], tokens: list[bytes], *, unrolled: int = 0, special: dict[str, int] | None = None
) -> Case:
    """A case with one-byte tokens for the characters of `tokens`, then those tokens, then EOS (with bytes)."""
    grammar = Grammar(rules if isinstance(rules, dict) else {"start": rules})
    single = [bytes([byte]) for byte in sorted({*b"".join(tokens)})]
    every = (*single, *tokens, *(b"a" for _ in special or ()), b"a")
    return Case(0, grammar, every, (len(every) - 1,), {name: len(every) - 2 for name in special or ()}, unrolled)


def corpus() -> Iterator[Case]:
    s = Ref("start")
    words = [b"ab", b"ba", b"aa", b"bb", b"aab", b"abb", b"aaaa", b"bbbb", b"abab", b"a" * 7]
    yield case(Sequence((Repeat(Choice((A, text("ba"))), 2, 3), B, Repeat(AB, 1, 2))), words)
    yield case(Choice((Repeat(text("ab"), 2, 2), Sequence((Repeat(A, 3, None), B)))), words)
    yield case(Length(Repeat(text("aab")), 5, 13), words)
    yield case(Length(Repeat(Choice((text("aab"), text("aabba")))), 6, 7), words)
    yield case(Sequence((B, Length(Repeat(AB), 2, 4), B)), words)
    yield case({"start": Choice((Sequence((Repeat(s, 2, 3), B)), A))}, words)
    yield case(
        {"start": Sequence((Repeat(Ref("x"), 2, 3), C)), "x": Choice((Sequence((A, Ref("x"), B)), EPSILON))},
        [*words, b"bc"],
    )
    brackets = [b"[]", b"]]", b"[[", b"]],", b"a]", b"],", b"[a", b",a", b"]]]", b"]]],[", b"a]],a"]
    items = {"start": Sequence((text("["), Ref("x"), text("]"))),
             "x": Choice((A, Sequence((s, Repeat(Sequence((text(","), Ref("x"))), 0, 2)))))}  # fmt: skip
    yield case(items, brackets)
    yield case({"start": Choice((Sequence((s, s)), A, text("aa"))), "x": A}, [b"aa", b"aaa"])
    yield case({"start": Choice((Sequence((A, s, B)), Sequence((AB, s, A)), AB))}, words)
    yield case(  # which rule comes back where decides: a1, bx2, ay?...
        {
            "start": Choice((Sequence((Ref("x"), text("1"))), Sequence((Ref("y"), text("2"))))),
            "x": Choice((Sequence((Ref("y"), B)), A)),
            "y": Choice((Sequence((Ref("x"), A)), B)),
        },
        [b"a1", b"b2", b"a2", b"ab", b"ba", b"b1"],
    )
    yield case(
        {"start": Sequence((Ref("x"), A, Ref("x"), B)), "x": Choice((Sequence((Ref("x"), C)), EPSILON))},
        [b"ab", b"cc", b"ca", b"cb"],
    )
    yield case(
        {"start": Choice((Sequence((A, Ref("x"))), A, EPSILON)), "x": Choice((Sequence((B, Ref("x"))), s))}, words
    )
    yield case({"start": Choice((Sequence((A, Ref("x"))), B)), "x": Sequence((B, Ref("x")))}, words)
    yield case(  # calls in tail position whose callers may go on
        {
            "start": Sequence((Ref("x"), C)),
            "x": Sequence((A, Ref("y"), Repeat(B))),
            "y": Choice((C, Sequence((AB, Ref("x"))))),
        },
        [b"ac", b"bb", b"cb", b"cc", b"bc", b"acbbc", b"cbc"],
    )
    edges = [
        0x7F,
        0x80,
        0x7FF,
        0x800,
        0xFFF,
        0x1000,
        0xD7FF,
        0xE000,
        0xFFFF,
        0x10000,
        0x3FFFF,
        0x40000,
        0xFFFFF,
        0x100000,
        0x10FFFF,
    ]
    every = bytes(range(256))
    yield case(char_class([(point, point) for point in edges]), [bytes([byte]) for byte in every])
    yield case(char_class([(0x7F0, 0x8010), (0xFFF0, 0x10010)]), [bytes([byte]) for byte in every])
    yield case(Not(Choice((A, text("é")))), [bytes([byte]) for byte in every])
    yield case(And((Not(Sequence((A, Repeat(ANY_CHAR)))), Length(Repeat(char_class([(97, 97), (233, 233)])), 0, 2))),
               [bytes([byte]) for byte in every[:]][96:100] + [b"\xc3\xa9", b"\xa9", b"\xc3"])  # fmt: skip
    escapes = [b'"', *(bytes([byte]) for byte in b"\\/bfnrtu0123456789abcdefABCDEFxyz"), "é".encode(), "😀".encode()]
    escapes += [bytes([byte]) for byte in "é😀".encode()] + [
        b'x"',
        rb"\u",
        rb"\ud83d",
        rb"\uDE",
        rb"\u00e",
        rb"\/",
        b'""',
    ]
    yield case(JsonString(Choice((text('"/é'), text("😀"), text("x"), EPSILON))), escapes)
    yield case(
        Sequence((JsonString(Length(Repeat(char_class([(120, 122), (0x1F600, 0x1F601)])), 1, 2)), text("x"))),
        [*escapes, b"\x81"],
    )
    yield case(Sequence((A, Repeat(SpecialToken("<t>"), 1, 2), B)), words, special={"<t>": 0})
    yield case(
        Sequence((ByteClass(((0x62, 0x66), (0x70, 0x72))), Choice((text("cc"), text("bcd"))))),
        [b"bcc", b"cbcd", b"d", b"f", b"g", b"p", b"q", b"r", b"s"],
    )
    yield case(text("abab"), words)
    yield case(Sequence((A, Repeat(B, 0, 1), Repeat(A, 3, 3))), [*words, b"", b"aaa", b"aaa", *[b"zz"] * 40])


def main() -> int:
    for number, tried in enumerate(corpus()):
        try:
            check_everywhere(tried, texts=40)
        except Exception as error:
            print(f"case {number}: {type(error).__name__}: {error}"[:2000])
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
