"""Vocabulary: the bytes of every token id, the special ids, and which ids end a text.

Place in the walk: any tokenizer -> **Vocabulary** -> Trie; a Constraint is a byte automaton aligned with one. It is all
that the engine knows of a tokenizer: neither how text is encoded nor what a pre-tokenizer does.

Raw bytes, exactly: the text of a run of tokens is their bytes joined. For SentencePiece that keeps the leading space
that the tokenizer's own `decode` strips at the very start of a text: `▁Hello` is b" Hello" wherever it stands.
"""

from __future__ import annotations

import hashlib
import operator
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from io import BytesIO
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from tokenizer_align.errors import VocabularyMismatch

if TYPE_CHECKING:
    from tokenizer_align.trie import Trie

__all__ = ["Vocabulary"]


@dataclass(frozen=True, eq=False, repr=False, init=False)
class Vocabulary:
    """The tokens of a model, by id; immutable, equal and hashed by content.

    Special and EOS tokens spell no text, whatever bytes are given for them. Two ids may have the same bytes. `size` is
    the width of the model's logits: from the last token up to it ids are padding, and special tokens beyond it, which
    such a model cannot emit, are dropped.

    >>> vocabulary = Vocabulary([b"a", b"b", b"ab", b"</s>"], eos_token_ids=[3])
    >>> vocabulary.greedy(b"aba"), vocabulary.decode([2, 0, 3])
    ([2, 0], b'aba')

    Raises VocabularyMismatch when no id ends a text, an id lies outside, or `size` leaves out a token that spells text.
    """

    tokens: tuple[bytes, ...]
    """One entry for each of the `size` ids; b"" for special, EOS, unused and padded ids, which are in a mask only where
    a grammar names them or a text may end."""
    size: int
    """V, the width of the model's logits."""
    eos_token_ids: tuple[int, ...]
    """Sorted; each of them ends a text."""
    special_tokens: Mapping[str, int]
    """Name to id, sorted by id; several names may share an id."""
    bos_token_id: int | None

    def __init__(
        self,
        tokens: Sequence[bytes],
        *,
        eos_token_ids: Iterable[int],
        special_tokens: Mapping[str, int] | None = None,
        bos_token_id: int | None = None,
        size: int | None = None,
    ) -> None:
        special = {name: operator.index(i) for name, i in (special_tokens or {}).items()}
        eos = sorted({operator.index(i) for i in eos_token_ids})
        known = max(len(tokens), 1 + max(special.values(), default=-1))
        width = known if size is None else operator.index(size)
        _check_ids(width, eos, special, bos_token_id)
        spelled = [*tokens, *[b""] * (max(known, width) - len(tokens))]
        for i in (*special.values(), *eos):
            spelled[i] = b""
        _check_bytes(spelled, width)
        kept = {name: i for name, i in special.items() if i < width}
        self._fill(tuple(spelled[:width]), eos, kept, bos_token_id)

    def _fill(self, tokens: tuple[bytes, ...], eos: Sequence[int], special: Mapping[str, int], bos: int | None) -> None:
        by_id = sorted(special.items(), key=lambda item: (item[1], item[0]))
        fields = {
            "tokens": tokens,
            "size": len(tokens),
            "eos_token_ids": tuple(eos),
            "special_tokens": MappingProxyType(dict(by_id)),
            "bos_token_id": bos,
        }
        for name, value in fields.items():
            object.__setattr__(self, name, value)

    def special_id(self, name: str) -> int | None:
        """The id of a special token by its name, or by its number as grammars write it; None where there is none.

        >>> Vocabulary([b"a", b"", b""], eos_token_ids=[2], special_tokens={"<x>": 1}).special_id("<[1]>")
        1
        """
        if name in self.special_tokens or not (name.startswith("<[") and name.endswith("]>")):
            return self.special_tokens.get(name)
        number = int(name[2:-2]) if name[2:-2].isdecimal() else -1
        return number if number in self.special_tokens.values() else None

    @classmethod
    def from_spellings(
        cls,
        starts: NDArray[np.int32],
        data: NDArray[np.uint8],
        *,
        eos_token_ids: Sequence[int],
        special_tokens: Mapping[str, int],
        bos_token_id: int | None,
    ) -> Vocabulary:
        """The vocabulary with these spellings, which it keeps: from the fields of one, in a tenth of the time, itself.

        >>> old = Vocabulary([b"a", b"bc", b""], eos_token_ids=[2])
        >>> Vocabulary.from_spellings(*old.spellings, eos_token_ids=[2], special_tokens={}, bos_token_id=None) == old
        True

        Raises VocabularyMismatch as the constructor does, ValueError for what the fields of no vocabulary are.
        """
        ends, size = sorted(set(map(operator.index, eos_token_ids))), len(starts) - 1
        textless = [*ends, *map(operator.index, special_tokens.values())]
        _check_ids(size, ends, special_tokens, bos_token_id)
        if starts[0] != 0 or starts[-1] > len(data) or (starts[1:] < starts[:-1]).any():
            raise ValueError("the spellings do not lie one behind the other")
        if max(textless) >= size or (starts[np.array(textless) + 1] > starts[textless]).any():
            raise ValueError("a special token spells text, or lies outside")
        vocabulary = cls.__new__(cls)
        vocabulary._fill(
            tuple(map(BytesIO(data.tobytes()).read, np.diff(starts).tolist())), ends, special_tokens, bos_token_id
        )
        vocabulary.__dict__["spellings"] = starts, data
        return vocabulary

    @classmethod
    def from_tokenizer(
        cls, tokenizer: object, size: int | None = None, *, eos_token_ids: Iterable[int] | None = None
    ) -> Vocabulary:
        """The vocabulary of any tokenizer that `tokenizer_align.extract` knows; see there for what is refused.

        `size` is the width of the model's logits where it differs from the tokenizer's own. `eos_token_ids` replaces
        what the tokenizer says about its ends (a Vocabulary keeps its own beside them). Equal vocabularies are one
        object as long as one of them lives; what a path gives is also kept on disk (`tokenizer_align.store`).

        Raises UnsupportedTokenizer, with the reason, when tokens have no exact bytes.
        """
        from tokenizer_align.extract import extract_vocabulary

        return extract_vocabulary(tokenizer, size=size, eos_token_ids=eos_token_ids)

    def with_eos(self, token_ids: Iterable[int]) -> Vocabulary:
        """This vocabulary with more ids that end a text, such as those of a model's generation_config."""
        return self._variant(tuple(sorted({*self.eos_token_ids, *token_ids})), self.size)

    def with_size(self, size: int) -> Vocabulary:
        """This vocabulary for a model whose logits are `size` wide."""
        return self._variant(self.eos_token_ids, size)

    def _variant(self, eos_token_ids: tuple[int, ...], size: int) -> Vocabulary:
        """Made once: a server asks for the same variant with every request, and what hangs on it is worth keeping."""
        if (eos_token_ids, size) == (self.eos_token_ids, self.size):
            return self
        if (eos_token_ids, size) not in self._variants:
            variant = _rebuild(self.tokens, eos_token_ids, self.special_tokens, self.bos_token_id, size)
            shared = min(size, self.size)  # beyond it no id has bytes
            if "trie" in self.__dict__ and variant.tokens[:shared] == self.tokens[:shared]:
                variant.__dict__["trie"] = self.trie
            self._variants[eos_token_ids, size] = variant
        return self._variants[eos_token_ids, size]

    @cached_property
    def _variants(self) -> dict[tuple[tuple[int, ...], int], Vocabulary]:
        return {}

    @cached_property
    def content_hash(self) -> str:
        """SHA-256, in hex, of everything above: the same in every process, and the key of everything cached on disk."""
        starts, data = self.spellings
        rest = (self.size, self.eos_token_ids, list(self.special_tokens.items()), self.bos_token_id)
        digest = hashlib.sha256(b"gcd vocabulary 1\n" + repr(rest).encode() + b"\n")
        digest.update(np.diff(starts).astype("<u4").tobytes())
        digest.update(data[: starts[-1]].tobytes())
        return digest.hexdigest()

    @cached_property
    def trie(self) -> Trie:
        """The prefix tree of the tokens with bytes; built on first use (0.2 s for 128k tokens) if not stored."""
        from tokenizer_align.trie import Trie

        return Trie.build(self.tokens)

    @cached_property
    def spellings(self) -> tuple[NDArray[np.int32], NDArray[np.uint8]]:
        """Where the bytes of each token begin, int32 (V + 1,), in all bytes one behind the other, uint8."""
        starts = np.zeros(self.size + 1, np.int32)
        np.cumsum(np.fromiter(map(len, self.tokens), np.int32, self.size), out=starts[1:])
        return starts, np.frombuffer(b"".join(self.tokens) or b"\0", np.uint8).copy()

    @cached_property
    def missing_bytes(self) -> frozenset[int]:
        """The byte values that no one-byte token spells; empty for byte-level vocabularies and for byte fallback.

        >>> sorted(Vocabulary([bytes([b]) for b in range(254)] + [b""], eos_token_ids=[254]).missing_bytes)
        [254, 255]
        """
        return frozenset(range(256)).difference(token[0] for token in self.tokens if len(token) == 1)

    def greedy(self, data: bytes) -> list[int] | None:
        """The token ids of a greedy longest match, the lowest id for equal bytes; None when it gets stuck.

        It cannot get stuck on bytes outside `missing_bytes`. A model's own encoding may be another one.
        """
        token_ids, position = [], 0
        while position < len(data):
            for length in self._lengths.get(data[position], ()):
                token_id = self._id_of.get(data[position : position + length])
                if token_id is not None:
                    break
            else:
                return None
            token_ids.append(token_id)
            position += len(self.tokens[token_id])  # less than `length` at the end of the data
        return token_ids

    def decode(self, token_ids: Iterable[int]) -> bytes:
        """The raw bytes of the tokens, joined; special tokens give nothing.

        Raises VocabularyMismatch for an id outside the vocabulary.
        """
        ids = list(token_ids)
        if ids and not 0 <= min(ids) <= max(ids) < self.size:
            raise VocabularyMismatch(_outside(next(i for i in ids if not 0 <= i < self.size), self.size))
        return b"".join([self.tokens[i] for i in ids])

    @cached_property
    def _id_of(self) -> dict[bytes, int]:
        return {self.tokens[i]: i for i in range(self.size - 1, -1, -1) if self.tokens[i]}

    @cached_property
    def _lengths(self) -> dict[int, list[int]]:
        """First byte to the lengths of the tokens that start with it, longest first."""
        lengths: dict[int, set[int]] = {}
        for token in self._id_of:
            lengths.setdefault(token[0], set()).add(len(token))
        return {first: sorted(found, reverse=True) for first, found in lengths.items()}

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Vocabulary):
            return NotImplemented
        return self is other or self.content_hash == other.content_hash

    def __hash__(self) -> int:
        return hash(self.content_hash)

    def __repr__(self) -> str:
        return f"Vocabulary(size={self.size}, eos_token_ids={self.eos_token_ids}, {len(self.special_tokens)} special)"

    def __copy__(self) -> Vocabulary:
        return self

    def __deepcopy__(self, memo: object) -> Vocabulary:
        return self

    def __reduce__(self) -> tuple[object, ...]:
        special = dict(self.special_tokens)
        return _rebuild, (self.tokens, self.eos_token_ids, special, self.bos_token_id, self.size)


def _rebuild(
    tokens: Sequence[bytes], eos: Sequence[int], special: Mapping[str, int], bos: int | None, size: int
) -> Vocabulary:
    return Vocabulary(tokens, eos_token_ids=eos, special_tokens=special, bos_token_id=bos, size=size)


def _check_ids(width: int, eos: Sequence[int], special: Mapping[str, int], bos: int | None) -> None:
    if not eos:
        raise VocabularyMismatch("no token ends a text: eos_token_ids is empty, and generation could not stop")
    for i in eos:
        if not 0 <= i < width:
            raise VocabularyMismatch(f"EOS {_outside(i, width)}")
    for name, i in special.items():
        if i < 0:
            raise VocabularyMismatch(f"the special token {name!r} has the id {i}; ids count from 0")
    if bos is not None and not 0 <= bos < width:
        raise VocabularyMismatch(f"BOS {_outside(bos, width)}")


def _check_bytes(tokens: Sequence[bytes], width: int) -> None:
    if set(map(type, tokens)) - {bytes}:
        for i, token in enumerate(tokens):
            if isinstance(token, bytes):
                continue
            raise TypeError(
                f"token {i} is {token!r}, not bytes" + "; encode text with .encode()" * isinstance(token, str)
            )
    beyond = [i for i in range(width, len(tokens)) if tokens[i]]
    if beyond:
        raise VocabularyMismatch(
            f"the model's logits are {width} wide, but the tokenizer has {len(beyond)} more tokens that spell text, "
            f"the first being {beyond[0]} ({tokens[beyond[0]]!r}); is it the tokenizer of this model? "
            "After add_tokens, call model.resize_token_embeddings(len(tokenizer))"
        )


def _outside(token_id: int, width: int) -> str:
    return f"token id {token_id} is outside the vocabulary of {width} ids (0 to {width - 1})"
