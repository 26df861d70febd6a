"""Which rules can end: those of which at least one text is known to exist.

Place in the walk: Grammar -> **why it is empty**. Only asked when some subschema contradicted itself, to tell a
contradiction that empties the whole from one in a branch that merely vanishes. Sets of characters are taken to be
non-empty; the automaton's compiler decides them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping

from grammars.ir import Choice, Node, Ref, Repeat, Sequence

__all__ = ["productive_rules", "references"]


def productive_rules(rules: Mapping[str, Node]) -> set[str]:
    """The names of the rules that have a text, as far as references decide it.

    >>> sorted(productive_rules({"a": Ref("b"), "b": Bytes(b"x"), "c": Sequence((Ref("c"),))}))
    ['a', 'b']
    """
    users: defaultdict[str, list[str]] = defaultdict(list)
    for name, node in rules.items():
        for reference in references(node):
            users[reference].append(name)
    productive: set[str] = set()
    pending = list(rules)
    while pending:
        name = pending.pop()
        if name not in productive and _has_text(rules[name], productive):
            productive.add(name)
            pending += users[name]
    return productive


def references(node: Node) -> Iterator[str]:
    """The rules that a node refers to, from left to right."""
    match node:
        case Ref(name):
            yield name
        case Sequence(items) | Choice(items):
            for item in items:
                yield from references(item)
        case Repeat(item):
            yield from references(item)


def _has_text(node: Node, productive: set[str]) -> bool:
    match node:
        case Ref(name):
            return name in productive
        case Sequence(items):
            return all(_has_text(item, productive) for item in items)
        case Choice(items):
            return any(_has_text(item, productive) for item in items)
        case Repeat(item, low):
            return low == 0 or _has_text(item, productive)
        case _:
            return True
