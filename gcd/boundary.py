"""take_back, after: a prompt that ends inside a token -> the tokens that are kept, and the text that must come again.

Place in the walk: between `gcd.prompts` and the engine, for `boundary="heal"`. A prompt `http:` ends in the token `:`,
behind which the model has hardly ever seen `//`, since that is the one token `://`. So the last tokens are taken back,
and the language becomes one of texts that begin with their bytes: `:` + L. Which tokens spell it, is the model's.

Enough is taken back that every token which begins in the prompt and ends behind it can be drawn: the longest end of
the prompt that a longer token begins with. Special tokens stay. So with a method that is exact the law is

    p(text | the kept tokens; what follows begins with the bytes that were taken back; the text is in the language)

summed over all spellings of what was taken back. Other spellings of what is kept are not asked for.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from grammars.ir import Bytes, Grammar, Ref
from grammars.ir import Sequence as SequenceNode

if TYPE_CHECKING:
    from gcd.models.protocols import LanguageModel
    from gcd.parse import Wanted
    from tokenizer_align.trie import Trie
    from tokenizer_align.vocabulary import Vocabulary

__all__ = ["after", "descend", "healed", "take_back"]


def take_back(prompt_ids: Sequence[int], vocabulary: Vocabulary, *, keep: int) -> tuple[tuple[int, ...], bytes]:
    """The tokens that stay, at least the first `keep`, and the bytes of the others.

    >>> take_back([0, 3], Vocabulary([b"http", b"://", b"/", b":", b""], eos_token_ids=[4]), keep=0)
    ((0,), b':')
    """
    ids, size = list(prompt_ids), vocabulary.size
    first = len(ids)
    while first > keep and ids[first - 1] < size and vocabulary.tokens[ids[first - 1]]:
        first -= 1
    pieces = [vocabulary.tokens[token] for token in ids[first:]]
    data = b"".join(pieces)
    longest = _longest_end(data, vocabulary.trie)
    taken = 0
    while longest > 0:
        taken += 1
        longest -= len(pieces[-taken])
    kept = len(ids) - taken
    return tuple(ids[:kept]), b"".join(pieces[len(pieces) - taken :])


def healed(
    prompt_ids: tuple[int, ...], model: LanguageModel, vocabulary: Vocabulary
) -> tuple[tuple[int, ...], bytes]:  # fmt: skip
    """`take_back` for a model: what stays is what it can start from, BOS or the first token where it needs one."""
    bos = getattr(model, "bos_token_id", None)
    keep = 1 if bos is None and getattr(model, "needs_prompt", False) else 0
    kept, tail = take_back(prompt_ids, vocabulary, keep=keep)
    return kept or (() if bos is None else (bos,)), tail


def _longest_end(data: bytes, trie: Trie) -> int:
    """The length of the longest end of the data with which a longer token begins; 0 for none."""
    deepest = int(trie.depth.max(initial=1))
    for length in range(min(len(data), deepest - 1), 0, -1):
        node = descend(trie, data[-length:])
        if node is not None and trie.end[node] > node + 1:
            return length
    return 0


def descend(trie: Trie, data: bytes) -> int | None:
    """The node of these bytes, -1 for none of them (the root), None where no token begins with them."""
    node, children = -1, trie.children
    for byte in data:
        begin, end = int(children.start[node + 1]), int(children.start[node + 2])
        place = begin + int(children.byte[begin:end].searchsorted(byte))
        if place == end or children.byte[place] != byte:
            return None
        node = int(children.node[place])
    return node


def after(tail: bytes, wanted: Wanted) -> Wanted:
    """What is wanted, behind these bytes; values are those of the texts without them."""

    def to_grammar() -> Grammar:
        grammar = wanted.to_grammar()
        start = next(name for name in _names(grammar.start) if name not in grammar.rules)
        node = SequenceNode((Bytes(tail), Ref(grammar.start)))
        return replace(grammar, rules={start: node, **grammar.rules}, start=start)

    return replace(wanted, key=("after", tail, wanted.key), to_grammar=to_grammar)


def _names(name: str) -> list[str]:
    return [f"{name}{'_' * count}healed" for count in range(1, 100)]
