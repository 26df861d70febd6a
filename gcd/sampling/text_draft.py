"""What a model of another tokenizer would write, in the tokens of the row: the two have the bytes in common.

Place in the walk: beside `draft.py`. The prompt and the text so far are spelled in the tokens of the model that drafts,
it writes on in the same language over its own vocabulary, and the bytes that it wrote are spelled in those of the row.
Spellings are guesses, as drafts are: one that is not what the row draws costs a pass, and changes nothing.
"""

from __future__ import annotations

import codecs
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby, islice
from typing import TYPE_CHECKING

from gcd.boundary import take_back
from gcd.sampling.draft import Draft, Drafter, allowed_of

if TYPE_CHECKING:
    from gcd.models.protocols import LanguageModel
    from gcd.sampling.masked import Row
    from tokenizer_align.constraint import Constraint
    from tokenizer_align.vocabulary import Vocabulary

__all__ = ["Spelling", "text_draft"]


@dataclass(frozen=True, slots=True)
class Spelling:
    """A vocabulary, and what its tokenizer makes of a text where it has one."""

    vocabulary: Vocabulary
    encode: Callable[[str], Sequence[int]] | None = None

    def spell(self, data: bytes) -> list[int] | None:
        """Tokens of exactly these bytes: the tokenizer's where they are, else the longest ones; None where none fit.

        A character that the end cuts off is spelled by itself, as no tokenizer encodes half of one.

        >>> Spelling(Vocabulary([b"a", b"ab", b"b", b"", b"\\xc3"], eos_token_ids=[3])).spell(b"bab\\xc3")
        [2, 1, 4]
        """
        decoder, greedy = codecs.getincrementaldecoder("utf-8")("replace"), self.vocabulary.greedy
        text = decoder.decode(data)
        cut = len(data) - len(decoder.getstate()[0])
        encoded = list(self.encode(text)) if self.encode is not None else []
        if all(token < self.vocabulary.size and self.vocabulary.tokens[token] for token in encoded) and (
            self.vocabulary.decode(encoded) == data[:cut]
        ):
            rest = greedy(data[cut:])
            return None if rest is None else encoded + rest
        return greedy(data)

    def translate(self, token_ids: Sequence[int], source: Vocabulary) -> list[int] | None:
        """Tokens of this vocabulary for those of `source`: text by its bytes, special tokens by their names.

        Special tokens that are not known here are left out; None where the text cannot be spelled.
        """
        names = {token: name for name, token in source.special_tokens.items()}
        found: list[int] = []
        for is_text, run in groupby(token_ids, lambda token: token < source.size and source.tokens[token] != b""):
            if is_text:
                spelled = self.spell(source.decode(run))
                if spelled is None:
                    return None
                found += spelled
            else:
                known = self.vocabulary.special_tokens
                found += (known[names[token]] for token in run if names.get(token) in known)
        return found


def text_draft(
    model: LanguageModel,
    theirs: Spelling,
    prompts: Mapping[tuple[int, ...], tuple[int, ...]],
    constraints: Mapping[Constraint, Constraint],
    encode: Callable[[str], Sequence[int]] | None,
    most: int,
) -> Draft:
    """Up to `most` tokens of what `model` writes, of which each is whole: no longer token could end behind the draft.

    `prompts` and `constraints` are those of the rows, each to its like over `theirs`; `encode` spells for the rows. The
    model writes one token more than is wanted, since where its text is cut off, the last token may be a part of one.
    """
    drafter = Drafter(model)

    def draft(row: Row) -> Sequence[int]:
        vocabulary, constraint = row.constraint.vocabulary, constraints[row.constraint]
        before = theirs.translate(row.token_ids, vocabulary)
        if before is None:
            return ()
        state = constraint.start
        for token in before:
            after = constraint.try_advance(state, token)
            if after is None:  # where tokens are counted, or special ones are named by their numbers
                return ()
            state = after
        written, ended = drafter.write(prompts[row.prompt_ids], before, constraint, state, most + 1)
        found = Spelling(vocabulary, encode).translate(written, theirs.vocabulary) or []
        whole = found if ended else take_back(found, vocabulary, keep=0)[0]
        return list(islice(allowed_of(row, whole), most))

    return draft
