"""What a request drafts: `draft=` × what its rows are to be -> Draft.

Place in the walk: beside `gcd.run`, whose plan it belongs to. A language that a model cannot spell is found
here, before the first forward pass.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from gcd.compile import align_wanted, vocabulary_of, wanted_of
from gcd.errors import VocabularyMismatch
from gcd.models.load import as_model
from gcd.prompts import encode_prompt, encode_text
from gcd.sampling.draft import Draft, lookup_draft, model_draft, no_draft
from gcd.sampling.text_draft import Spelling, text_draft

if TYPE_CHECKING:
    from gcd.generate import Request
    from gcd.models.protocols import LanguageModel
    from tokenizer_align.constraint import Constraint
    from tokenizer_align.vocabulary import Vocabulary

__all__ = ["draft_of"]


def draft_of(
    request: Request, model: LanguageModel, tokenizer: Any, rows: Sequence[tuple[tuple[int, ...], Constraint]]
) -> Draft:
    """The draft of rows with these prompts and constraints.

    A model whose tokens are those of the rows drafts tokens; one of another tokenizer drafts text. Raises
    VocabularyMismatch for a model without a tokenizer whose logits have another width, and for one that cannot spell
    the language.
    """
    if request.draft is None:
        return no_draft
    if request.draft == "lookup":
        return lookup_draft(request.draft_tokens)
    drafter = as_model(request.draft, None)
    their_tokenizer = getattr(drafter, "tokenizer", None)
    if their_tokenizer is None and drafter.vocab_size != model.vocab_size:
        raise VocabularyMismatch(
            f"the logits of the model that drafts are {drafter.vocab_size:,} wide and those of the model "
            f"{model.vocab_size:,}, and it has no tokenizer to say what its tokens are: give it one (.tokenizer)"
        )
    if their_tokenizer is None:
        return model_draft(drafter, request.draft_tokens)
    vocabulary = vocabulary_of(drafter)
    if drafter.vocab_size == model.vocab_size and all(_alike(vocabulary, c.vocabulary) for _, c in rows):
        return model_draft(drafter, request.draft_tokens)
    theirs = Spelling(vocabulary, _encoder(their_tokenizer))
    return text_draft(
        drafter,
        theirs,
        {prompt: _prompt(prompt, constraint.vocabulary, drafter, theirs) for prompt, constraint in dict(rows).items()},
        {constraint: _aligned(constraint, vocabulary) for constraint in {c for _, c in rows}},
        _encoder(tokenizer),
        request.draft_tokens,
    )


@lru_cache(maxsize=8)
def _alike(one: Vocabulary, other: Vocabulary) -> bool:
    """Whether two vocabularies spell the same by the same ids, but for ids that end a text in one of them."""
    return all(a == b or not a or not b for a, b in zip(one.tokens, other.tokens, strict=False))


def _encoder(tokenizer: Any) -> Callable[[str], Sequence[int]] | None:
    if not hasattr(tokenizer, "encode"):
        return None
    return lambda text: encode_text(tokenizer, text, special=False)


def _prompt(
    prompt_ids: tuple[int, ...], vocabulary: Vocabulary, drafter: Any, theirs: Spelling
) -> tuple[int, ...]:  # fmt: skip
    """A prompt in the tokens of the model that drafts, behind what its tokenizer begins a text with."""
    tokenizer = drafter.tokenizer
    begin = encode_text(tokenizer, "", special=True) if theirs.encode is not None else []
    ids = theirs.translate(prompt_ids, vocabulary) or []
    ids = ids if ids[: len(begin)] == begin else begin + ids
    return tuple(ids) or encode_prompt("", drafter, tokenizer)


def _aligned(constraint: Constraint, vocabulary: Vocabulary) -> Constraint:
    """The same language over the vocabulary of the model that drafts."""
    from tokenizer_align.constraint import align

    wanted = wanted_of(constraint)
    try:
        return align(constraint.automaton, vocabulary) if wanted is None else align_wanted(wanted, vocabulary)
    except VocabularyMismatch as error:
        error.add_note("(draft=: the model that drafts has another tokenizer, and writes in the same language)")
        raise
