"""Which rules can end: those of which at least one text is known to exist.

Place in the walk: Grammar -> **why it is empty**. Only asked when some subschema contradicted itself, to tell a
contradiction that empties the whole from one in a branch that merely vanishes. Sets of characters are taken to be
non-empty; the automaton's compiler decides them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping

from grammars.ir import Bytes, Choice, Distinct, Members, Node, Ref, Repeat, Sequence

__all__ = ["is_seen_to_end", "productive_rules", "references"]

_TRIED = 500
"""How many rules the first look from a rule takes in."""


def is_seen_to_end(rules: Mapping[str, Node], start: str) -> bool:
    """Whether a first look, at the rules that the start needs for a text, finds one; mostly there is one close by.

    >>> is_seen_to_end({"a": Choice((Sequence((Ref("a"), Ref("b"))), Ref("c"))), "c": Bytes(b"x")}, "a")
    True
    """
    known = _Asked(start)
    stack = [start]
    while stack and len(known.tried) < _TRIED:
        known.wanted = None
        if _has_text(rules[stack[-1]], known):
            known.add(stack.pop())
        elif known.wanted is None:
            stack.pop()
        else:
            known.tried.add(known.wanted)
            stack.append(known.wanted)
    return start in known


class _Asked(set[str]):
    """Rules that have a text; `wanted` is the first other one that was asked for and not tried."""

    def __init__(self, start: str) -> None:
        super().__init__()
        self.tried, self.wanted = {start}, None

    tried: set[str]
    wanted: str | None

    def __contains__(self, name: object) -> bool:
        if super().__contains__(name):
            return True
        if self.wanted is None and isinstance(name, str) and name not in self.tried:
            self.wanted = name
        return False


def productive_rules(rules: Mapping[str, Node]) -> set[str]:
    """The names of the rules that have a text, as far as references decide it.

    >>> sorted(productive_rules({"a": Ref("b"), "b": Bytes(b"x"), "c": Sequence((Ref("c"),))}))
    ['a', 'b']
    """
    productive: set[str] = set()
    for name in reversed([*rules]):  # most rules refer to later ones only: one look at each decides them
        if _has_text(rules[name], productive):
            productive.add(name)
    pending = [name for name in rules if name not in productive]
    users: defaultdict[str, list[str]] = defaultdict(list)
    for name in pending:
        for reference in references(rules[name]):
            users[reference].append(name)
    while pending:
        name = pending.pop()
        if name not in productive and _has_text(rules[name], productive):
            productive.add(name)
            pending += users[name]
    return productive


def references(node: Node) -> list[str]:
    """The rules that a node refers to, from left to right."""
    found: list[str] = []
    pending = [node]
    while pending:
        node = pending.pop()
        if isinstance(node, Ref):
            found.append(node.name)
        elif isinstance(node, Sequence | Choice):
            pending += reversed(node.items)
        elif isinstance(node, Repeat | Distinct):
            pending.append(node.item)
        elif isinstance(node, Members):
            pending += (value for _, value in reversed(node.rest))
            pending += reversed(node.values)
    return found


def _has_text(node: Node, productive: set[str]) -> bool:
    if isinstance(node, Bytes):
        return True
    if isinstance(node, Ref):
        return node.name in productive
    if isinstance(node, Sequence):
        return all(_has_text(item, productive) for item in node.items)
    if isinstance(node, Choice):
        return any(_has_text(item, productive) for item in node.items)
    if isinstance(node, Distinct):
        return _has_text(node.item, productive)
    if isinstance(node, Members):
        if not all(_has_text(node.values[number], productive) for number in node.required):
            return False
        if node.required or node.empty is not None:
            return True
        return any(_has_text(value, productive) for value in (*node.values, *[value for _, value in node.rest]))
    return not isinstance(node, Repeat) or node.min == 0 or _has_text(node.item, productive)
