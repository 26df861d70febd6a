"""Collisions: texts that several terminals match, where a lexer would have to decide between them.

Place in the walk: beside the front ends, for `gcd check`. There is no lexer here, so that nothing collides: each
terminal may stand wherever the rules allow it. A basic or contextual lexer takes one of them by priority and length,
and refuses texts that need another; people who come from one want to know where. All terminals are run at once, as a
lexer does, and each state in which two of them end is an example.
"""

from __future__ import annotations

from collections.abc import Iterable

from grammars.chars import char_dfa
from grammars.dfa import Dfa, split_overlaps
from grammars.errors import GrammarError, LimitExceeded
from grammars.ir import Bytes, Grammar, Node, Ref, Sequence
from grammars.limits import Limits
from grammars.record import record
from grammars.survey import Survey

__all__ = ["STATES", "Collision", "collisions", "terminals_of"]

STATES = 20_000
_READABLE = ((0x61, 0x7A), (0x41, 0x5A), (0x30, 0x39), (0x20, 0x7E))


@record
class Collision:
    """Two terminals, and a shortest text that both match."""

    first: str
    second: str
    text: str


def terminals_of(grammar: Grammar) -> dict[str, Node]:
    """The terminals of a Lark grammar by name, and its other literals in quotes, without what is ignored before them.

    >>> terminals_of(parse_lark('start: "if" NAME\\nNAME: /[a-z]+/\\n%ignore " "'))
    {'"if"': Bytes(data=b'if'), 'NAME': Repeat(...)}
    """
    found: dict[str, Node] = {}
    for name, node in grammar.rules.items():
        if name.isupper():
            found[name] = unspaced(node)
        elif not name.startswith("%") and not name.partition("[")[0].isupper():  # NAME[capture=x] is in NAME
            for data in literals(node):
                found.setdefault(f'"{data.decode(errors="backslashreplace")}"', Bytes(data))
    named = {node for name, node in found.items() if not name.startswith('"')}
    return {name: node for name, node in found.items() if not (name.startswith('"') and node in named)}


def unspaced(node: Node) -> Node:
    """A terminal without what is ignored before it."""
    if isinstance(node, Sequence) and len(node.items) == 2 and isinstance(node.items[0], Ref):
        return node.items[1] if node.items[0].name.startswith("%") else node
    return node


def literals(node: Node) -> Iterable[bytes]:
    """The literals in a node that are not empty."""
    pending = [node]
    while pending:
        at = pending.pop()
        if isinstance(at, Bytes) and at.data:
            yield at.data
        pending += reversed(getattr(at, "items", ()))
        if (item := getattr(at, "item", None)) is not None:
            pending.append(item)


def collisions(grammar: Grammar, *, limit: int = STATES) -> list[Collision]:
    """Every pair of terminals that match a text in common, with a shortest one.

    Raises `LimitExceeded` beyond `limit` states. Terminals that are no text are left out.

    >>> collisions(parse_lark('start: "if" NAME\\nNAME: /[a-z]+/'))
    [Collision(first='"if"', second='NAME', text='if')]
    """
    survey = Survey(grammar, Limits())
    names: list[str] = []
    dfas: list[Dfa] = []
    for name, node in terminals_of(grammar).items():
        try:
            dfas.append(char_dfa(survey.written_out(node)))
        except GrammarError:
            continue
        names.append(name)
    found: dict[tuple[int, int], str] = {}
    begin = tuple((i, 0) for i in range(len(dfas)))
    texts = {begin: ""}
    queue = [begin]
    for states in queue:  # it grows, shortest texts first
        ended = [i for i, state in states if state in dfas[i].finals]
        text = texts[states]
        for place, first in enumerate(ended if text else ()):
            for second in ended[place + 1 :]:
                found.setdefault((first, second), text)
        edges = [(low, high, k) for k, (i, state) in enumerate(states) for low, high, _ in dfas[i].edges[state]]
        for low, high, some in split_overlaps(edges):
            if len(some) < 2:
                continue
            after = tuple((states[k][0], dfas[states[k][0]].step(states[k][1], low)) for k in sorted(some))
            if after not in texts:
                texts[after] = text + readable(low, high)
                queue.append(after)
        if len(queue) > limit:
            raise LimitExceeded(f"comparing the terminals takes more than {limit:,} states")
    return [Collision(names[first], names[second], text) for (first, second), text in sorted(found.items())]


def readable(low: int, high: int) -> str:
    """A character of a class, one that people can read if there is one."""
    return next((chr(max(low, a)) for a, b in _READABLE if low <= b and a <= high), chr(low))
