"""parse_substring: a document to the Grammar of its parts: any run of its characters, or of its chunks.

Place in the walk: document -> **Grammar** -> ByteAutomaton. The suffix automaton (Blumer et al. 1985) has fewer than
two states for each character, all of which accept: each state is what goes on from there, without the empty text:
a rule, which an edge calls at its end, or a part of the rule of the only state that leads there.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence as SequenceOf

from grammars.errors import InvalidGrammar, LimitExceeded
from grammars.ir import EPSILON, Choice, Grammar, Node, Ref, Repeat, Sequence, text

__all__ = ["parse_substring"]

MAX_CHUNKS = 200_000

_WRITTEN = 16
"""How many chunks one behind the other stand in one rule: a quarter of the rules, of the time and of the memory."""


def parse_substring(document: str | SequenceOf[str], *, prefix: str = "") -> Grammar:
    """The grammar of all that stands in a document without a gap, the empty text too: of a str any run of characters,
    of a sequence of chunks any run of whole chunks. Its rules have names with the prefix.

    >>> parse_substring("ab").rules["start"]
    Repeat(item=Ref(name='0'), min=0, max=1)

    Raises `InvalidGrammar` for chunks that are no texts, `LimitExceeded` beyond 200,000 characters or chunks.
    """
    chunks = list(document)
    if not all(isinstance(chunk, str) for chunk in chunks):
        raise InvalidGrammar("the document is neither a text nor a sequence of texts")
    if len(chunks) > MAX_CHUNKS:
        unit = "characters" if isinstance(document, str) else "chunks"
        raise LimitExceeded(f"a document of more than {MAX_CHUNKS:,} {unit}", hint="take the part that matters")
    if any(0xD800 <= ord(char) <= 0xDFFF for chunk in chunks for char in chunk):
        raise InvalidGrammar("the document has a lone surrogate, which no text holds")
    states = _suffix_automaton([chunk for chunk in chunks if chunk])
    callers = Counter(target for edges in states for target in edges.values())
    names = [f"{prefix}{state}" for state in range(len(states))]
    start = f"{prefix}start"
    rules: dict[str, Node] = {start: Repeat(Ref(names[0]), 0, 1) if states[0] else EPSILON}
    pending = [0] if states[0] else []

    def rest(state: int, depth: int) -> Node:
        """What goes on from a state: written out where no other one leads there, up to some characters, else a call."""
        if depth and callers[state] == 1:
            ways = tuple(way(chunk, target, depth - 1) for chunk, target in states[state].items())
            return ways[0] if len(ways) == 1 else Choice(ways)
        if names[state] not in rules:
            rules[names[state]] = EPSILON
            pending.append(state)
        return Ref(names[state])

    def way(chunk: str, target: int, depth: int) -> Node:
        return Sequence((text(chunk), Repeat(rest(target, depth), 0, 1))) if states[target] else text(chunk)

    for state in pending:  # it grows
        ways = tuple(way(chunk, target, _WRITTEN) for chunk, target in states[state].items())
        rules[names[state]] = ways[0] if len(ways) == 1 else Choice(ways)
    return Grammar(rules, start)


def _suffix_automaton(chunks: SequenceOf[str]) -> list[dict[str, int]]:
    """The edges of each state of the smallest automaton of all runs of chunks; state 0 is the start.

    Chunk by chunk: `last` is the state of all that was read, `links` the longest ending that stands elsewhere too.
    """
    edges: list[dict[str, int]] = [{}]
    links, lengths, last = [-1], [0], 0
    for chunk in chunks:
        new, at = len(edges), last
        edges.append({})
        links.append(0)
        lengths.append(lengths[last] + 1)
        while at >= 0 and chunk not in edges[at]:
            edges[at][chunk] = new
            at = links[at]
        if at >= 0:
            target = edges[at][chunk]
            if lengths[target] != lengths[at] + 1:  # it stands for longer runs as well, which do not end here
                clone = len(edges)
                edges.append(dict(edges[target]))
                links.append(links[target])
                lengths.append(lengths[at] + 1)
                while at >= 0 and edges[at].get(chunk) == target:
                    edges[at][chunk] = clone
                    at = links[at]
                links[target] = clone
                target = clone
            links[new] = target
        last = new
    return edges
