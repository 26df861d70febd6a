"""Openings: what stands before the first key of an object, as a rule that stands in for objects that wait.

Place in the walk: `Members` -> **Piece**. Nearly all objects of a grammar begin alike: a bracket, gaps, and the quote
of a key, or the end. No token goes on from there in the vocabularies we know. So a machine that enters an object needs
none of its keys at first, and there is one opening for all, or two:

    { gap " *    the state * reads nothing: what follows is in the rule that the opening stands in for
    { gap }      if the object may be empty

Its states are those that the rules of such objects begin with, in the same order, and * comes last. Whoever enters an
opening keeps the number of that rule in the counter. Once it is written, the s-th state of the opening stands for its
s-th state, and * for where it is behind the bracket and the quote; see `tokenizer_align.kernels`.

Of 3,774 real schemas half have a root of less than three members, three in four of at most `MOST_MEMBERS`.
"""

from __future__ import annotations

from grammars.ir import JsonString, Members, Node, Ref
from grammars.members import has_register
from grammars.pieces import Piece, flat_piece
from grammars.positions import Callees
from grammars.survey import Survey
from grammars.tables import NOWHERE
from grammars.templates import KEY, around, items_of, references, starts_of

__all__ = ["MOST_MEMBERS", "QUOTE", "key_byte", "opening_piece"]

QUOTE = 0x22
"""What a JSON string begins with."""

MOST_MEMBERS = 5
"""The members of an object that waits. More of them are written when it is entered, the root's so while compiling: that
takes longer than most masks, and a token should not wait for it."""


def key_byte(node: Members, survey: Survey) -> int:
    """What all keys of an object begin with that may wait, 0 for one that may not.

    It has few members, an entry is possible, and it may not both be empty and lack what is required.
    """
    if len(node.keys) > MOST_MEMBERS or has_register(node) or (node.empty is not None and node.required):
        return 0
    if not all(_is_string(key, survey) for key, _ in node.rest):
        return 0
    firsts = {min(node.keys)[0], max(node.keys)[0]} if node.keys else set[int]()
    if node.rest:
        firsts.add(QUOTE)
    possible = node.required or any(map(survey.facts_of, node.values))
    if len(firsts) > 1 or not (possible or any(survey.facts_of(value) for _, value in node.rest)):
        return 0
    return firsts.pop()


def _is_string(node: Node, survey: Survey) -> bool:
    """Whether a node is a JSON string of which there is one."""
    if isinstance(node, Ref):
        node = survey.grammar.rules[node.name]
    return isinstance(node, JsonString) and survey.facts_of(node) != 0


def opening_piece(begin: Node, empty: Node | None, key: int, callees: Callees) -> tuple[Piece, tuple[int, int]] | None:
    """The opening of objects whose keys begin with a byte, and the bytes that lead to its last state.

    None where keys do not follow on a bracket of one byte.
    """
    first, end = items_of(begin), None if empty is None else items_of(empty)
    facts, rules = references((*first, *(end or ())), callees)
    found = around(first, (), end, facts, (key,), 0)
    symbols, edges, calls = found.symbols, starts_of(found.edge_counts), starts_of(found.call_counts)
    behind = found.to[0]
    keys = range(edges[behind], edges[behind] + found.edge_counts[behind])
    if found.edge_counts[0] != 1 or found.call_counts[0] or all(found.to[edge] != KEY for edge in keys):
        return None
    last = len(edges)
    to = [state if state >= 0 else last for state in found.to]
    called = [rules[place] for place in found.called], [state if state >= 0 else NOWHERE for state in found.back]
    piece = flat_piece(found.finals, [*edges, len(to)], [*calls, len(called[0])], (symbols, symbols, to), called)
    return piece, (symbols[0], key)
