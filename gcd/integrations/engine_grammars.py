"""EngineGrammars: what another engine asks for, in its words -> a Constraint over its model's vocabulary; EngineRow.

Place in the walk: `compile`, for engines that keep their own loop and pass texts and token ids. The hooks of each
engine are thin over it (`gcd/integrations/sglang.py`, `llama_cpp.py`, the distribution `gcd-vllm`). It knows no engine.
Importing it loads no numba: vLLM loads all hooks that are installed, and on a CPU does not start with numba there.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from gcd.compile import align_wanted, vocabulary_of
from gcd.errors import InvalidGrammar
from gcd.parse import parse_wanted
from tokenizer_align.vocabulary import Vocabulary

if TYPE_CHECKING:
    from gcd.parse import Wanted
    from tokenizer_align.constraint import Constraint
    from tokenizer_align.matcher import Matcher
    from tokenizer_align.rows import Bitmask

__all__ = ["EngineGrammars", "EngineRow", "follow", "wanted_by_engine"]


def _structural_tag(text: str, options: Any) -> Wanted:
    from gcd.language import structural_tag

    tag = json.loads(text)
    if isinstance(tag, dict):
        tag = {"type": "structural_tag", **tag}  # which vLLM leaves out
    return parse_wanted(grammar=structural_tag(tag, **options))


_READERS: dict[str, Callable[[str, Any], Wanted]] = {
    "json": lambda text, options: parse_wanted(schema=text, **options),
    "json_object": lambda text, options: parse_wanted(schema={"type": "object"}, **options),
    "regex": lambda text, options: parse_wanted(regex=text),
    "grammar": lambda text, options: parse_wanted(grammar=text),
    "ebnf": lambda text, options: parse_wanted(grammar=text),
    "choice": lambda text, options: parse_wanted(choices=json.loads(text)),
    "structural_tag": _structural_tag,
}
"""vLLM's and SGLang's words for a kind of constraint; each comes with a text."""


def wanted_by_engine(kind: str, text: str, **options: Any) -> Wanted:
    """What is wanted, as vLLM and SGLang say it; the options are those of schemas.

    >>> wanted_by_engine("choice", '["yes", "no"]').kind
    'choices'

    `kind`: `json`, `json_object`, `regex`, `grammar`, `ebnf`, `choice`, `structural_tag`. Raises InvalidGrammar for
    another, and what `gcd.compile` raises when the grammar is made.
    """
    if kind not in _READERS:
        raise InvalidGrammar(f"{kind!r} is no kind of constraint that is known here: {', '.join(_READERS)}")
    try:
        return _READERS[kind](text, options)
    except json.JSONDecodeError as error:
        raise InvalidGrammar(f"the {kind} is no JSON: {error}") from None


class EngineGrammars:
    """The constraints that an engine asks for over one model: its tokenizer, and logits `vocab_size` wide.

    >>> grammars = EngineGrammars(tokenizer, vocab_size=49152)
    >>> grammars.matcher("regex", "[0-9]+").accept_token(tokenizer.convert_tokens_to_ids("7"))
    True

    `eos_token_ids` end a text beside those of the tokenizer. Raises UnsupportedTokenizer.
    """

    def __init__(
        self, tokenizer: object, *, vocab_size: int, eos_token_ids: Iterable[int] = (), **options: Any
    ) -> None:
        self.vocabulary = vocabulary_of(
            Vocabulary.from_tokenizer(tokenizer, size=vocab_size), eos_token_ids=tuple(eos_token_ids)
        )
        self.options = options

    @property
    def words(self) -> int:
        """The int32 words of a row of a bitmask."""
        return (self.vocabulary.size + 31) // 32

    def constraint(self, wanted: Wanted, *, eos_token_ids: Iterable[int] = ()) -> Constraint:
        """The Constraint, compiled once; `eos_token_ids` end this text too, and nothing but its end is masked less.

        Raises GrammarError and AlignmentError.
        """
        ends = tuple(eos_token_ids)
        return align_wanted(wanted, self.vocabulary.with_eos(ends) if ends else self.vocabulary)

    def matcher(self, kind: str, text: str, *, eos_token_ids: Iterable[int] = ()) -> Matcher:
        """A matcher at the start of what `wanted_by_engine` reads."""
        wanted = wanted_by_engine(kind, text, **self.options)
        return self.constraint(wanted, eos_token_ids=eos_token_ids).matcher()


def follow(matcher: Matcher, token_ids: Sequence[int]) -> bool:
    """Brings a matcher to where an engine's tokens are, back or on; False, and somewhere before, where it cannot.

    >>> matcher = constraint.matcher()                                   # of the grammar "ab"
    >>> follow(matcher, [0, 1]), follow(matcher, [0]), matcher.token_ids
    (True, True, [0])
    """
    known = matcher.token_ids
    common = min(len(known), len(token_ids))
    if known[:common] != list(token_ids[:common]):
        common = next(i for i in range(common) if known[i] != token_ids[i])
    matcher.rollback(len(known) - common)
    return all(matcher.accept_token(token) for token in token_ids[common:])


class EngineRow:
    """One text in an engine that tells its tokens anew for every step: tokens so far -> mask of the next.

    `budget`: how many tokens the engine will draw in all, EOS included; near its end, masks lead to an end in time.
    A text that has ended, has left the language or cannot end within the budget may only take EOS.
    """

    def __init__(self, constraint: Constraint, *, budget: int | None = None) -> None:
        self.matcher = constraint.matcher()
        self.budget = budget

    def mask(self, token_ids: Sequence[int]) -> Bitmask:
        """int32 (words,), not to be written to; bit t & 31 of word t >> 5 allows token t."""
        constraint = self.matcher.constraint
        if follow(self.matcher, token_ids):
            left = None if self.budget is None else self.budget - len(token_ids)
            mask = constraint.mask(self.matcher.state, left)
            if mask.any():
                return mask
        return only(constraint.vocabulary.eos_token_ids, constraint.words)


def only(token_ids: Iterable[int], words: int) -> Bitmask:
    """The mask that allows these tokens alone."""
    mask = np.zeros(words, dtype=np.uint32)
    for token in token_ids:
        mask[token >> 5] |= np.uint32(1 << (token & 31))
    return mask.view(np.int32)
