"""Planted errors: what the laws must catch, each a change of the engine's text, and a small corpus that shows them.

Each mutant is an error that engines of this kind have had or could have. `planting.py` plants them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from mask_laws import check_everywhere
from random_grammars import Case

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
    Members,
    Node,
    Not,
    Ref,
    Repeat,
    Sequence,
    SpecialToken,
    char_class,
    text,
)

__all__ = ["CORPUS", "MUTANTS", "Mutant", "failing"]

KERNELS = "tokenizer_align/kernels.py"
LEAF_KERNELS = "tokenizer_align/leaf_kernels.py"
CONSTRAINT = "tokenizer_align/constraint.py"
STATES = "tokenizer_align/states.py"
BATCH = "tokenizer_align/batch.py"
SIMPLIFY = "grammars/simplify.py"
AUTOMATON = "grammars/automaton.py"
BUILDER = "grammars/builder.py"
POSITIONS = "grammars/positions.py"
UTF8 = "grammars/utf8.py"
QUOTED = "grammars/quoted.py"
OPENING = "grammars/openings.py"


Edit: TypeAlias = tuple[str, str]
Rows: TypeAlias = dict[str, tuple[str, *tuple[Edit, ...]]]
"""Of each error, by name, the file and the edits."""


@dataclass(frozen=True, slots=True)
class Mutant:
    """An error in one file: each old text, which must occur exactly once, becomes the new one; `cases` must show it."""

    name: str
    cases: str
    file: str
    edits: tuple[Edit, ...]


COUNTERS: Rows = {
    "the counter is dropped from the key of a record": (
        KERNELS,
        (
            "        mixed = ((mixed ^",
            "        if (i - begin) % 3 == 1:\n            continue\n        mixed = ((mixed ^",
        ),
        ("same = heap[at + i] == buffer[begin + i]", "same = i % 3 == 1 or heap[at + i] == buffer[begin + i]"),
    ),
    "the lower bound of a counter is ignored where a rule ends": (
        KERNELS,
        ("(counter < rules[rule, RULE_MIN] or counter > rules[rule, RULE_MAX])", "counter > rules[rule, RULE_MAX]"),
    ),
    "the upper bound of a counter is passed by one": (
        KERNELS,
        ("if counter >= rules[rule, RULE_MAX]:", "if counter > rules[rule, RULE_MAX]:"),
        ("counter > rules[rule, RULE_MAX])", "counter > rules[rule, RULE_MAX] + 1)"),
    ),
    "a window takes one character too many": (
        KERNELS,
        ("found <= most - counter)", "found <= most - counter + 1)"),
    ),
    "a window asks for one character too few": (
        KERNELS,
        (
            "max(0, Int(rules[rule, RULE_MIN]) - counter))\n    return found",
            "max(0, Int(rules[rule, RULE_MIN]) - counter - 1))\n    return found",
        ),
    ),
    "the lengths of a window are folded into the wrong period": (
        KERNELS,
        ("(least - width) % period\n", "(least - width + 1) % period\n"),
    ),
    "an unbounded counter stops one below its lower bound": (
        KERNELS,
        ("counter >= rules[rule, RULE_MIN]:\n        return", "counter >= rules[rule, RULE_MIN] - 1:\n        return"),
    ),
    "the counter of the frame below is lost where a rule ends": (
        KERNELS,
        ("_reach(c, Int(heap[at]), Int(heap[at + 1]), Int(", "_reach(c, Int(heap[at]), Int(0), Int("),
    ),
    "a repeat peeled off a left recursion keeps its lower bound": (
        SIMPLIFY,
        ("min=max(1, rule.min - 1)", "min=rule.min"),
    ),
    "a repeat of what may be empty keeps its lower bound": (
        BUILDER,
        ("return 1 if facts & NULL else max(1, low)", "return max(1, low)"),
    ),
    "a tail call drops a live counter": (
        BUILDER,
        ("columns.calls.append((item, 0))", "columns.calls.append((item, -1))"),
    ),
    "a repeat costs its lower bound wherever it stands": (
        KERNELS,
        ("max(0, Int(rules[rule, RULE_MIN]) - counter) * Int(", "Int(rules[rule, RULE_MIN]) * Int("),
    ),
    "a token's grade forgets the characters that must follow": (
        LEAF_KERNELS,
        ("- below[node, COUNT] + (least[target] & LEAST)", "- below[node, COUNT]"),
    ),
    "a window with gaps in its lengths has grades": (
        "tokenizer_align/leaves.py",
        ("if until.min() >= low:", "if until.min() >= 0:"),
    ),
    "a leaf ends whatever its counter says": (
        KERNELS,
        ("if low <= endings[ending, 1] <= room:", "if endings[ending, 1] <= room:"),
    ),
    "a leaf ends however many characters it has": (
        KERNELS,
        ("if exits[exit, 1] < low or exits[exit, 1] > room:", "if exits[exit, 1] < low:"),
    ),
    "a byte at which a window dies skips the next one too": (
        KERNELS,
        (
            "        if after == DEAD:\n            continue\n        node",
            "        if after == DEAD:\n            path[depth, 1] = min(kid + 2, end)\n        if after < 0:\n"
            "            continue\n        node",
        ),
    ),
    "tokens that end a window are forgotten": (
        KERNELS,
        ("            _list(c, Int(endings[ending, 0]))\n", "            pass\n"),
    ),
    "a recipe names a leaf's row without its number": (KERNELS, ("_list(c, -made)", "_list(c, Int(-1))")),
    "a recipe lists no end of the text": (KERNELS, ("        _list(c, Int(END_OF_TEXT))\n", "        pass\n")),
    "rows are found by the lengths of their recipes": (
        "tokenizer_align/states.py",
        ("[: context[kernels.RECIPE_LENGTH]].tobytes()", "[: context[kernels.RECIPE_LENGTH]].astype(bool).tobytes()"),
    ),
    "the way home costs nothing": (KERNELS, ("way + rounds + _fewest_bytes(", "rounds + _fewest_bytes(")),
}

STACKS: Rows = {
    "only the first of several stacks is popped": (
        KERNELS,
        (
            "    for i in range(heap[stack + 1]):\n        at = stack",
            "    for i in range(min(1, heap[stack + 1])):\n        at = stack",
        ),
    ),
    "every stack is left to the return state of the first": (
        KERNELS,
        (
            "_reach(c, Int(heap[at]), Int(heap[at + 1])",
            "_reach(c, Int(heap[stack + HEADER]), Int(heap[at + 1])",
        ),
    ),
    "one byte ends one rule at most": (
        KERNELS,
        (
            "status = _return(c, stack)\n        if",
            "status = _return(c, stack)\n        c[QUEUED] = 0\n        if",
        ),
    ),
    "a tail call forgets that its caller may go on": (
        POSITIONS,
        ("-1 if after == END and self.tails else", "-1 if after[:1] == END else"),
    ),
    "a union drops entries of its second set": (
        KERNELS,
        ("            j += 1 if order >= 0 else 0\n", "            j += 1\n"),
    ),
    "a union keeps the parents of its first set": (
        KERNELS,
        ("if order == 0 and parent != Int(heap[q + 2]):", "if order > 9:"),
    ),
    "a union forgets that a stack may be empty": (
        KERNELS,
        ("Int(heap[x + 2] | heap[y + 2])", "Int(heap[x + 2])"),
    ),
    "stacks that are entered at once are entered as the first of them": (
        KERNELS,
        ("if following == at + 3 else _unite(c, at, following)", "if following > at else _unite(c, at, following)"),
    ),
    "stacks that are entered at once keep the parents of the first": (
        KERNELS,
        ("parents = _union(c, Int(buffer[last + 2]), Int(buffer[at + 2]))", "parents = Int(buffer[last + 2])"),
    ),
    "stacks that are entered at once forget that one may be empty": (
        KERNELS,
        ("flag |= Int(heap[stack + 2])", "flag = Int(heap[stack + 2]) * flag"),
    ),
    "the memo of unions knows one of the two sets": (
        KERNELS,
        ("== min(left, right) and unions[slot, 1] == max(left, right)", "== min(left, right)"),
        ("(min(left, right) * 0x01000193 + max(left, right) * 0x008DA6B3)", "(min(left, right) * 0x01000193)"),
    ),
    "one automaton serves all rules of a left-recursive cluster": (
        SIMPLIFY,
        (
            "{offset[target] + final for final in rules[target].dfa.finals}",
            "{offset[n] + final for n in rules for final in rules[n].dfa.finals}",
        ),
    ),
    "a rule that may be empty cannot be passed by": (
        POSITIONS,
        (
            "        if not facts & NULL:\n            return (position,)",
            "        if facts:\n            return (position,)",
        ),
    ),
    "the empty text is never accepted": (
        AUTOMATON,
        ("bool(survey.facts[survey.grammar.start] & NULL)", "False"),
    ),
    "rules without strings are called": (
        BUILDER,
        ("facts = self.survey.facts_of(node)\n", "facts = self.survey.facts_of(node) | SOLID\n"),
    ),
}

CHARACTERS: Rows = {
    "overlong characters of three bytes": (UTF8, ("(0x800, 0xFFFF, 2, 0xE0)", "(0x0, 0xFFFF, 2, 0xE0)")),
    "overlong characters of four bytes": (UTF8, ("(0x10000, 0x10FFFF, 3, 0xF0))", "(0x8000, 0x10FFFF, 3, 0xF0))")),
    "characters end at U+FFFFF": (UTF8, ("(0x10000, 0x10FFFF, 3, 0xF0))", "(0x10000, 0xFFFFF, 3, 0xF0))")),
    "low surrogates start at DD00": (UTF8, ("0xDC00 + low, 0xDC00 + high", "0xDD00 + low, 0xDD00 + high")),
    "high surrogates start at D900": (
        UTF8,
        ("0xD800 + high_first, 0xD800 + high_last", "0xD900 + high_first, 0xD900 + high_last"),
    ),
    "no capital hex digits": (UTF8, ("for at in (0x41, 0x61)", "for at in (0x61,)")),
    "quotes stand raw in strings": (UTF8, ('"any": ((0x20, 0x21), (0x23, 0x5B)', '"any": ((0x20, 0x5B)')),
    "one spelling has capital hex digits": (UTF8, ("if not 0x41 <= edge[0] <= 0x46", "if edge")),
    "one spelling has long escapes beside the short ones": (UTF8, ('if self.spelling == "any" else', "if self else")),
    "a slash has no short escape": (UTF8, ('0x2F: "/", ', "")),
    "the closing quote is allowed everywhere": (QUOTED, ("    if final:", "    if True:")),
    "unfinished characters are one whatever they lead to": (
        QUOTED,
        ("kind[at] * most + appearing[column", "kind[at] * most + 0 * appearing[column"),
    ),
    "unfinished characters of ASCII alone": (
        UTF8,
        ("for low, high, to in right]]))", "for low, high, to in right if low < 0]]))"),
    ),
    "a complement has ASCII texts only": (
        "grammars/chars.py",
        ("complement(dfa, ANY_CHAR.ranges)", "complement(dfa, ((0, 0x7F),))"),
    ),
    "surrogates are characters": (
        "grammars/chars.py",
        ("complement(dfa, ANY_CHAR.ranges)", "complement(dfa, ((0, 0x10FFFF),))"),
    ),
}

MASKS: Rows = {
    "a subtree is taken whole where some of it leads away": (
        LEAF_KERNELS,
        ("free = free and below[node, word] & ~sets[k, word] == 0", "free = free and word >= 0"),
    ),
    "a subtree is taken whole where the leaf may end in it": (
        LEAF_KERNELS,
        ("if below[node, HEIGHT] <= room[target, k]:", "if room[target, k] > 0:"),
    ),
    "EOS is always allowed": (
        KERNELS,
        ("if words(c, HEAP)[configuration + 2] == 1 and most >= -1:", "if most >= -1:"),
    ),
    "the texts of special tokens are read": (
        "tokenizer_align/vocabulary.py",
        ("for i in (*special.values(), *eos):", "for i in ():"),
    ),
    "special tokens are allowed wherever they are named": (
        STATES,
        ("if after != DEAD and self.cost(after) <= most:", "if self.cost(after) <= most:"),
    ),
    "of tokens with equal bytes one is allowed": (
        KERNELS,
        (
            "for i in range(words(c, TOKENS_FROM)[node], words(c, TOKENS_TO)[node]):\n        token",
            "for i in range(words(c, TOKENS_TO)[node] - 1, words(c, TOKENS_TO)[node]):\n        token",
        ),
    ),
    "what follows a leaf is forgotten": (
        KERNELS,
        (
            "        accepting = Int(words(c, HEAP)[configuration + 2])\n        status = _return(c, configuration)",
            "        pass",
        ),
    ),
    "words beyond the vocabulary keep what was there": (
        BATCH,
        ("        if len(mask) < width:\n            array[row, len(mask) :] = 0\n", ""),
    ),
    "a batch is written to the last rows": (BATCH, ("out=array[:count]", "out=array[-count:]")),
    "a batch takes a remembered row whatever the budget": (
        BATCH,
        ("if budgets is None else arena.known(number, budgets[row])", "if True else None"),
    ),
    "all rows of a batch that are made have the first one's budget": (
        BATCH,
        ("else budgets[row])\n", "else budgets[0])\n"),
    ),
    "the last byte of an edge is not looked for": (
        KERNELS,
        ("bits = ((1 << (last + 1)) - 1)", "bits = ((1 << last) - 1)"),
    ),
    "a budget does not count EOS": (
        STATES,
        ("else self._fill_within(number, budget - 2)", "else self._fill_within(number, budget - 1)"),
    ),
    "a token that was taken leads there from everywhere": (
        "tokenizer_align/constraint.py",
        ("arena.taken.get((number, token_id))", "arena.taken.get((1, token_id))"),
        ("arena.take(number, token_id, reached)", "arena.take(1, token_id, reached)"),
    ),
    "a row of one budget is remembered for all": (
        STATES,
        ("remembered = self.within.get((number, most))", "remembered = self.within.get((number, 0))"),
        ("self.within[number, most] = row", "self.within[number, 0] = row"),
    ),
    "a budget is looked at too late": (STATES, ("if largest <= budget - 2", "if largest <= budget")),
    "a complete text costs what its items cost": (
        KERNELS,
        ("    if heap[record + 2] == 1:\n        return 0\n", ""),
    ),
    "forced tokens go on behind a complete text": (
        CONSTRAINT,
        ("while not self.is_accepting(state):\n            only", "while len(tokens) < 9:\n            only"),
    ),
    "forced text goes on behind a complete text": (
        CONSTRAINT,
        ("        if self.is_accepting(state):\n            return None\n        symbols", "        symbols"),
    ),
}

MEMBERS: Rows = {
    "required members may be left out": (
        KERNELS,
        ("    most = Int(order[at + counter])\n    if state < 0", "    most = members\n    if state < 0"),
    ),
    "a member may be written twice": (KERNELS, ("return min(first + 1, members) if", "return min(first, members) if")),
    "a key is not looked up in the list of its state": (
        KERNELS,
        ("return counter if counter <= order[low] <= most else -1", "return counter if order[low] <= most else -1"),
    ),
    "the first of several members decides": (
        KERNELS,
        ("        if order[middle] < counter:\n            low = middle + 1", "        if low < 0:\n            pass"),
    ),
    "other keys come before required ones": (
        KERNELS,
        ("return min(first + 1, members) if counter <= first <= most else -1", "return min(first + 1, members)"),
    ),
    "an object costs what its next member costs": (
        KERNELS,
        ("+ (Int(costs[at + member + 1]) if member < members else 0)", ""),
    ),
    "required members behind the next one cost nothing": (
        "tokenizer_align/entries.py",
        ("+ costs[following + 1]", "+ costs[members]"),
    ),
    "the bytes of a literal value behind the first are not read": (
        "grammars/members.py",
        ("len(template.reads) if len(data) > 1 else AFTER", "AFTER"),
    ),
    "keys that begin alike have one list": (
        "grammars/members.py",
        ("members = sorted([member for _, member in keys[low:high]])", "members = [keys[low][1]]"),
    ),
    "in any order a member may be written twice": (
        KERNELS,
        ("return member == members or not _is_decided(c, rule, register, member)", "return True"),
    ),
    "in any order the end comes before required members": (
        KERNELS,
        ("return missing == 0 and entries >= low", "return entries >= low"),
    ),
    "no room is kept for required members": (KERNELS, ("if entries + others >=", "if entries >=")),
    "too few entries are left for the lower bound": (
        KERNELS,
        ("or entries + members - member >= low", "or member == member"),
    ),
    "others than the members leave the register as it is": (
        KERNELS,
        ("elif member == members and flags & ORDERED == 0:", "elif flags & ORDERED == 0:"),
    ),
    "in any order a member costs what the others leave": (
        KERNELS,
        ("cost += cheapest - min(last, Int(costs[at + member]))", "cost += cheapest - Int(costs[at + member])"),
    ),
    "entries that the lower bound asks for cost nothing": (
        KERNELS,
        ("left + cheapest)", "left)"),
    ),
    "an object without members may lack required ones": (
        "grammars/templates.py",
        ("ends = dict.fromkeys(positions.follows[written:], ENDS)", "ends = {}"),
    ),
}

OPENINGS: Rows = {
    "an opening forgets in a gap which object it stands in for": (
        KERNELS,
        ("count = counter if rules[rule, RULE_KIND] == OPENING else Int(0)", "count = Int(0)"),
    ),
    "objects that begin alike are entered as one": (
        KERNELS,
        (" and buffer[following + 1] == buffer[at + 1]:\n                following", ":\n                following"),
    ),
    "no byte follows on the quote of an object that waits": (KERNELS, ("heap[at + word] = -1", "heap[at + word] = 0")),
    "an object that waits costs nothing": (
        KERNELS,
        ("        heap[record + 3] = heap[known_step(c, record, Int(OPENED)) + 3]\n", "        heap[record + 3] = 1\n"),
    ),
    "an object that is entered behind a budget is dear": (
        KERNELS,
        ("whole = opened(c, after) if after > 0 and c[SETTLED] == 1 else after", "whole = after"),
    ),
    "a bracket costs as much as the start of an object": (
        KERNELS,
        (
            "        state += Int(rules[counter, RULE_START]) - Int(rules[rule, RULE_START])\n",
            "        state = Int(rules[counter, RULE_START])\n",
        ),
    ),
    "what stands beside an object is lost when it is opened": (
        KERNELS,
        ("        source, size = at, Int(1)\n", "        source, size = at, Int(0)\n"),
    ),
    "a text may not end where an object is opened": (
        KERNELS,
        ("else _close(c, Int(heap[configuration + 2]))", "else _close(c, Int(0))"),
    ),
    "an object is opened on another stack": (
        KERNELS,
        (
            "    begin = Int(c[TOP])\n    if not _push(c, first, Int(0), stack):",
            "    begin = Int(c[TOP])\n    if not _push(c, first, Int(0), _intern(c, Int(STACK), Int(1), begin)):",
        ),
    ),
    "an object with required members has the opening of one that may be empty": (
        OPENING,
        (" or (node.empty is not None and node.required):", ":"),
    ),
    "the opening of an object whose entries are counted lets it be empty": (
        OPENING,
        ("or has_register(node) or (", "or ("),
    ),
    "keys that begin otherwise are not waited for": (OPENING, ("if len(firsts) > 1 or not (", "if not (")),
    "an object without possible members is waited for": (
        OPENING,
        (" or not (possible or any(survey.facts_of(value) for _, value in node.rest)):", ":"),
    ),
    "all objects have the opening of the first one": (
        BUILDER,
        (
            "        known = self.openings.get((begin, empty, key))\n",
            "        known = next(iter(self.openings.values()), None)\n",
        ),
    ),
    "an opening leads back to its bracket": (
        OPENING,
        ("to = [state if state >= 0 else last for state in found.to]", "to = [max(0, state) for state in found.to]"),
    ),
}

GROUPS = {
    "counters": COUNTERS,
    "stacks": STACKS,
    "characters": CHARACTERS,
    "masks": MASKS,
    "members": MEMBERS,
    "openings": OPENINGS,
}
MUTANTS = [
    Mutant(name, group, file, tuple(edits)) for group, rows in GROUPS.items() for name, (file, *edits) in rows.items()
]


# -- the corpus: small cases in which each kind of error shows, those that take long last ------------------------------

A, B, C, AB = text("a"), text("b"), text("c"), char_class([(97, 98)])
WORDS = [b"ab", b"ba", b"aa", b"bb", b"aab", b"abb", b"aaaa", b"bbbb", b"abab", b"a" * 7]
S, X = Ref("start"), Ref("x")


def case(rules: Node | Mapping[str, Node], tokens: list[bytes], *, special: tuple[str, ...] = ()) -> Case:
    """A case in which everything is counted that can be; with one-byte tokens for the bytes of `tokens`.

    Special tokens and EOS have bytes, which must not be read.
    """
    grammar = Grammar(rules if isinstance(rules, Mapping) else {"start": rules})
    every = [*(bytes([byte]) for byte in sorted({*b"".join(tokens)})), *tokens]
    ids = {name: len(every) + i for i, name in enumerate(special)}
    return Case(0, grammar, (*every, *(b"a" for _ in (*special, "eos"))), (len(every) + len(special),), ids, 0)


def counters() -> Iterator[Case]:
    yield case(Sequence((Repeat(Choice((A, text("ba"))), 2, 3), B, Repeat(AB, 1, 2))), WORDS)
    yield case(Choice((Repeat(text("ab"), 2, 2), Sequence((Repeat(A, 3, None), B)))), WORDS)
    yield case(Length(Repeat(text("aab")), 5, 13), WORDS)
    yield case(Length(Repeat(text("aab")), 17, 18), WORDS)
    yield case(Length(Repeat(Choice((text("aab"), text("aabba")))), 6, 7), WORDS)
    yield case(Sequence((B, Length(Repeat(AB), 2, 4), B)), WORDS)
    yield case(Length(Repeat(Choice((A, text("bc")))), 2, 4), [*WORDS, b"bc", b"aaab", b"bca", b"bcb"])
    yield case(Sequence((C, Length(Repeat(AB), 2, 4), C)), [*WORDS, b"ac", b"bac", b"abbac", b"abbabc", b"bc", b"abab"])
    yield case(Sequence((C, Length(Sequence((Repeat(AB), A)), 1, 3), C)), [*WORDS, b"bab", b"aab", b"bac", b"ac"])
    yield case(
        JsonString(Length(Repeat(Choice((A, text("\n")))), 2, 3)), [b'"', b'a"', b'a\\n"', b"a\\", b"aa", b'aa"']
    )
    yield case({"start": Choice((Sequence((Repeat(S, 2, 3), B)), A))}, WORDS)
    maybe = Choice((Sequence((A, X, B)), EPSILON))
    yield case({"start": Sequence((Repeat(X, 2, 3), C)), "x": maybe}, [*WORDS, b"bc"])
    yield case(Sequence((A, Repeat(text("bb"), 3, 5))), WORDS)
    yield case(JsonString(Length(Repeat(A), 16, 18)), [b'"', b"aaa"])


def stacks() -> Iterator[Case]:
    comma = Sequence((text(","), X))
    values: dict[str, Node] = {
        "start": Sequence((text("["), X, text("]"))),
        "x": Choice((A, Sequence((S, Repeat(comma, 0, 2))))),
    }
    yield case(values, [b"[]", b"]]", b"[[", b"]],", b"a]", b"],", b"[a", b",a", b"]]]", b"]]],[", b"a]],a"])
    yield case({"start": Choice((Sequence((S, S)), A, text("aa")))}, [b"aa", b"aaa"])
    yield case({"start": Choice((Sequence((A, S, B)), Sequence((AB, S, A)), AB))}, WORDS)
    twice = Sequence((Repeat(C, 0, 1), X, C))
    yield case(
        {"start": Sequence((X, C)), "m": twice, "x": Choice((Sequence((C, Ref("m"))), A))}, [b"cc", b"ca", b"acc"]
    )
    dots = Sequence((text("."), Repeat(S, 0, 3), text("0")))
    yield case(
        {"start": Choice((dots, char_class([(45, 45), (48, 48)])))}, [b"00.0", b"-0-", b".0..", b"0000.0", b"0.."]
    )
    left: dict[str, Node] = {  # which rule it comes back to decides: a1, b2, ba1, ab2, never a2
        "start": Choice((Sequence((X, text("1"))), Sequence((Ref("y"), text("2"))))),
        "x": Choice((Sequence((Ref("y"), B)), A)),
        "y": Choice((Sequence((X, A)), B)),
    }
    yield case(left, [b"a1", b"b2", b"a2", b"ab", b"ba", b"b1"])
    maybe = Choice((Sequence((X, C)), EPSILON))
    yield case({"start": Sequence((X, A, X, B)), "x": maybe}, [b"ab", b"cc", b"ca", b"cb"])
    yield case({"start": Choice((Sequence((A, X)), A, EPSILON)), "x": Choice((Sequence((B, X)), S))}, WORDS)
    yield case({"start": Choice((Sequence((A, C, X)), B)), "x": Sequence((B, X))}, [*WORDS, b"ac"])
    tails: dict[str, Node] = {  # calls at the end of a rule whose caller may go on
        "start": Sequence((X, C)),
        "x": Sequence((A, Ref("y"), Repeat(B))),
        "y": Choice((C, Sequence((AB, X)))),
    }
    yield case(tails, [b"ac", b"bb", b"cb", b"cc", b"bc", b"acbbc", b"cbc"])
    again: dict[str, Node] = {  # two states of one rule call another and go on alike, below different stacks
        "start": Choice((Sequence((Ref("m"), text("1"))), Sequence((A, Ref("m"), text("2"))))),
        "m": Sequence((Choice((A, text("aa"))), X, C)),
        "x": AB,
    }
    yield case(again, [b"aa", b"ac", b"bc", b"c1", b"c2", b"aabc2"])
    ends: dict[str, Node] = {  # a rule behind which the text may end or go on
        "start": Choice((Ref("m"), Ref("n"))),
        "m": Sequence((Repeat(A, 0, 1), X)),
        "n": Sequence((X, C)),
        "x": Choice((text("ab"), B)),
    }
    yield case(ends, [b"ab", b"bc", b"aab", b"abc"])


def characters() -> Iterator[Case]:
    edges = [0x7F, 0x80, 0x7FF, 0x800, 0xD7FF, 0xE000, 0xFFFF, 0x10000, 0xFFFFF, 0x100000, 0x10FFFF]
    ends = [chr(point).encode() for point in edges] + [b"\xe0\x80", b"\xf0\x80", b"\xed\xa0", b"\xf4\x90"]
    yield case(char_class([(point, point) for point in edges]), ends)
    yield case(
        And((Not(Sequence((A, Repeat(ANY_CHAR)))), Repeat(char_class([(97, 97), (233, 233)]), 0, 2))), [b"a\xc3\xa9"]
    )
    spelt = [b'"', *(bytes([byte]) for byte in b"\\/u01236789abcdefABCDEFx"), *(c.encode() for c in "\xe9\U0001f600")]
    spelt += [b'x"', rb"\u", rb"\ud83d", rb"\uDE", rb"\u00e", rb"\/", b'""']
    yield case(JsonString(Choice((text('"/\xe9'), text("\U0001f600"), text("x"), EPSILON))), spelt)
    one_each = Repeat(Choice((text("\xe9"), text("\n"), text("j"))), 0, 2)
    written = [b'"', b"\\", b"u", b"n", b"0", b"a", b"A", b"e9", b"E9", b"00e9", b"\\n", b"00", b"j", "\xe9".encode()]
    yield case(JsonString(one_each, "ascii"), written)
    yield case(JsonString(one_each, "raw"), written)
    twice = JsonString(Length(Repeat(char_class([(0x78, 0x78), (0x1F600, 0x1F600)])), 2, 2))
    yield case(Sequence((twice, text("x"))), spelt)
    letters = ByteClass(((0x62, 0x66), (0x70, 0x72)))
    yield case(Sequence((letters, Choice((text("cc"), text("bcd"))))), [b"bcc", b"cbcd", b"dc", b"fgpqrs"])
    yield case(Length(Not(Choice((A, text("\xe9")))), 1, 2), [*ends, *(bytes([byte]) for byte in range(256))])


def masks() -> Iterator[Case]:
    yield case(text("abab"), WORDS)
    yield case(Sequence((A, Repeat(B, 0, 1), Repeat(A, 3, 3))), [*WORDS, b"", b"aaa", b"aaa", *[b"zz"] * 40])
    yield case(Sequence((A, Repeat(SpecialToken("<t>"), 1, 2), B)), WORDS, special=("<t>", "<unnamed>"))
    yield case(Choice((A, text("abb"))), WORDS)
    letter, letters = char_class([(97, 122)]), bytes(range(97, 123))
    within = Sequence((text("<"), Repeat(letter), text(">")))
    yield case({"start": Sequence((X, A)), "x": within}, [letters, b"<a", b"ab", b"a1", b"ab1c", b">a", b"b>a"])
    short = Sequence((text("<"), letter, letter, letter, text(">")))
    yield case({"start": Sequence((X, A)), "x": short}, [letters, b"<a", b"ab", b"abc", b"abcd", b"xy>", b">a"])


def members() -> Iterator[Case]:
    string = JsonString(Repeat(AB, 0, 1))
    around = (Bytes(b","), Bytes(b"}"))
    for any_order, low, high, required in (
        (True, 2, None, set[int]()), (True, 2, 2, {2}), (True, 0, 2, {0}), (False, 2, None, {1}), (False, 0, 2, {2}),
    ):  # fmt: skip
        values = (A, text("bab"), text("babab"))
        short = Members(
            Bytes(b"{"), (b"a", b"b", b"c"), values, frozenset(required), (), *around, None, any_order, low, high
        )
        yield case(short, [b"{", b"a", b"b", b"c", b",", b"}", b"bab", b",b", b"{c"])
    keys = (b"ab", b"aa", b"b", b"ca")
    tokens = [b"{a", b"b,", b"a,a", b'"}', b"ab", b",ca", b"c}", b'{"']
    called = {"x": Sequence((C, B)), "y": Sequence((A, EPSILON)), "z": Sequence((B, EPSILON))}
    literals = Members(Bytes(b"{"), keys, (A, text("bab"), X, C), frozenset({1}), (), *around)
    yield case({"start": literals, **called}, [*tokens, b"ba", b"bab}"])
    inner = Members(Bytes(b"{"), (b"a", b"b"), (S, C), frozenset({1}), (), *around)
    yield case(inner, [b"{a{", b"c}}", b",b", b"}}", b"{b"])
    for required in ({1}, {0, 1, 3}, set[int]()):
        for rest in ((), ((string, C),)):
            values = (Ref("y"), Ref("z"), X, C)
            one = Members(Bytes(b"{"), keys, values, frozenset(required), rest, *around, Bytes(b"}"))
            yield case({"start": one, **called}, tokens)
    for any_order, low, high, required in (
        (True, 0, None, {1}), (True, 2, None, set[int]()), (True, 0, 2, {0}), (False, 3, None, {1}), (False, 2, 3, {2}),
    ):  # fmt: skip
        for rest in ((), ((string, C),)):
            values = (Ref("y"), Ref("z"), X)
            one = Members(
                Bytes(b"{"), keys[:3], values, frozenset(required), rest, *around, Bytes(b"}"), any_order, low, high
            )
            yield case({"start": one, **called}, tokens)


def openings() -> Iterator[Case]:
    tokens = [
        b"\\u0061",
        b"\\u0062",
        b'{"',
        b'{"a',
        b'"a"',
        b' "',
        b' {"b',
        b'"b"a}',
        b"}}",
        b"{}",
        b'"ab',
        b'{ "a"b',
        b",a",
        b'}"',
        b'{"a"{',
    ]
    quoted, gap, end = (b'"a"', b'"b"'), Ref("g"), Bytes(b"}")
    begin, string = Sequence((Bytes(b"{"), gap)), JsonString(Repeat(AB, 0, 1))
    gaps: dict[str, Node] = {"g": Repeat(text(" "), 0, 1)}
    one = Members(begin, quoted, (A, B), frozenset({0}), (), Bytes(b","), end, None)
    other = Members(begin, quoted[1:], (B,), frozenset(), ((string, A),), Bytes(b","), end, end)
    within = Members(begin, quoted, (Ref("one"), S), frozenset(), (), Bytes(b","), end, end)
    third = Members(begin, quoted[1:], (A,), frozenset({0}), (), Bytes(b","), end, None)
    yield case({"start": Choice((Ref("one"), Ref("other"))), "one": one, "other": other, **gaps}, tokens)
    yield case({"start": Choice((Ref("one"), Ref("third"))), "one": one, "third": third, **gaps}, tokens)
    yield case({"start": Sequence((A, A, Ref("one"))), "one": one, **gaps}, tokens)
    yield case({"start": within, "one": one, **gaps}, tokens)
    text_beside = Choice((Sequence((Ref("one"), C)), text('{"'), text('{"}')))
    yield case({"start": text_beside, "one": one, **gaps}, [*tokens, b'{"}', b"c"])
    yield case({"start": Sequence((Ref("other"), Ref("one"), A)), "one": one, "other": other, **gaps}, tokens)
    yield case({"start": Repeat(Ref("one"), 2, 2), "one": one, **gaps}, [bytes([byte]) for byte in b'{"ab,} '])
    required = Members(begin, quoted, (A, B), frozenset({1}), ((string, C),), Bytes(b","), end, end)
    yield case({"start": Repeat(Ref("required"), 1, 2), "required": required, **gaps}, [*tokens, b"c"])
    counted = Members(begin, quoted, (A, B), frozenset(), (), Bytes(b","), end, end, low=1)
    yield case({"start": counted, **gaps}, tokens)
    mixed = Members(begin, (b'"a"', b"b"), (A, B), frozenset(), (), Bytes(b","), end, end)
    yield case({"start": mixed, **gaps}, [*tokens, b"{b", b" b"])
    impossible = Members(begin, quoted, (NOTHING, NOTHING), frozenset(), (), Bytes(b","), end, end)
    yield case({"start": Sequence((impossible, Ref("one"))), "one": one, **gaps}, tokens)


CORPUS = {
    "counters": counters, "stacks": stacks, "characters": characters, "masks": masks, "members": members,
    "openings": openings,
}  # fmt: skip


def failing(group: str) -> str:
    """The first case of the group in which a law fails, with what fails, "" where all hold."""
    for texts in (3, 30):  # most errors show at once, in one case or another
        for number, tried in enumerate(CORPUS[group]()):
            try:
                check_everywhere(tried, texts=texts)
            except Exception as error:
                return f"{group} {number}: {type(error).__name__}: {error}"
    return ""
