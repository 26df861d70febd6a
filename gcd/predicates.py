"""What a user asks of values, of texts so far and of spellings, as the tests of tokens that a SampleTrie knows.

Place in the walk: between `gcd.sample` and `gcd.sampling.aligned`. Equal for equal tests, so that a trie knows its own.
`tail` are the bytes of the prompt that are written once more ahead of the text (`gcd/boundary.py`): no test sees them.
"""

from __future__ import annotations

import codecs
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

from gcd.errors import UnsupportedTokenizer, ValidationFailed
from gcd.prompts import encode_text

if TYPE_CHECKING:
    from gcd.parse import Wanted
    from tokenizer_align.vocabulary import Vocabulary

__all__ = ["AlongText", "Both", "Canonical", "WhereValue", "canonical_of"]

LOOKBACK = 4
"""The last tokens of a beginning that may still be spelled otherwise by what follows. 600 texts (JSON, code, prose,
junk) in the tokens of Llama 3.1, Qwen 2.5, GPT-2, GPT-4o and Gemma 3, cut at 315,000 places, needed 3 at most."""


@dataclass(frozen=True)
class WhereValue:
    """`where=`: a test of the value; a text without a value fails it."""

    test: Callable[[Any], object]
    wanted: Wanted | None = field(compare=False)
    tail: bytes = b""

    def __call__(self, text: str) -> bool:
        if self.tail:
            text = text.encode("utf-8", "surrogateescape")[len(self.tail) :].decode("utf-8", "surrogateescape")
        try:
            value = text if self.wanted is None else self.wanted.to_value(text, validate=False)
        except ValidationFailed:
            return False
        return bool(self.test(value))


@dataclass(frozen=True)
class AlongText:
    """`along=`: a test of the complete characters so far, asked once a text and never about the empty one."""

    test: Callable[[str], object]
    vocabulary: Vocabulary = field(compare=False)
    tail: bytes = b""
    judged: dict[str, bool] = field(default_factory=dict, compare=False)

    def __call__(self, token_ids: tuple[int, ...], done: bool) -> bool:
        text = characters(self.vocabulary.decode(token_ids)[len(self.tail) :])
        if done or not text:
            return True
        if text not in self.judged:
            self.judged[text] = bool(self.test(text))
        return self.judged[text]


@dataclass(frozen=True)
class Canonical:
    """`canonical=True`: the tokens are those that the tokenizer writes for their text.

    Of a finished text that is asked exactly, so that no other spelling gets through. Of a beginning all but the last
    `LOOKBACK` tokens are compared with the encoding of its complete characters, and what differs there is taken to stay
    so: in pure BPE each run of tokens of an encoding is the encoding of its text, and what pre-tokenizers decide by
    what follows lies within the look-back as far as measured. Were it not so, a text would be missing.
    """

    encode: Callable[[str], Sequence[int]] = field(compare=False)
    vocabulary: Vocabulary = field(compare=False)

    def __call__(self, token_ids: tuple[int, ...], done: bool) -> bool:
        data = self.vocabulary.decode(token_ids)
        if not done:
            settled = token_ids[: max(0, len(token_ids) - LOOKBACK)]
            return not settled or tuple(self.encode(characters(data))[: len(settled)]) == settled
        try:
            return tuple(self.encode(data.decode("utf-8"))) == token_ids
        except UnicodeDecodeError:
            return False


@dataclass(frozen=True)
class Both:
    """Two tests along the way."""

    first: Callable[[tuple[int, ...], bool], bool]
    second: Callable[[tuple[int, ...], bool], bool]

    def __call__(self, token_ids: tuple[int, ...], done: bool) -> bool:
        return self.first(token_ids, done) and self.second(token_ids, done)


def canonical_of(tokenizer: Any, vocabulary: Vocabulary) -> Canonical:
    """The test by a tokenizer; raises UnsupportedTokenizer where it cannot encode, or writes more than the text."""
    if not hasattr(tokenizer, "encode"):
        raise UnsupportedTokenizer(
            f"canonical=True needs a tokenizer that encodes text, and a {type(tokenizer).__name__} does not"
        )
    encode = partial(encode_text, tokenizer, special=False)
    if vocabulary.decode(encode("a")) != b"a":
        raise UnsupportedTokenizer(
            "canonical=True needs a tokenizer whose tokens are those of the text alone, and this one writes "
            f"{vocabulary.decode(encode('a'))!r} for 'a'"
        )
    return Canonical(encode, vocabulary)


def characters(data: bytes) -> str:
    """The complete characters at the beginning of bytes: what is cut off at the end is left out."""
    return codecs.getincrementaldecoder("utf-8")("ignore").decode(data)
