"""GrammarLogitsProcessor: masks inside transformers' own `generate`, for users who keep it.

Place in the walk: Constraint × transformers' loop. transformers runs its built-in processors first, then this one, then
temperature, top-k and top-p, so that the mask comes before the warpers here as well.

It is a function of the rows of `input_ids`: beam search reorders the rows of a prompt, assisted generation comes back
with shorter and longer ones, finished rows are padded and asked about all the same. States are values, so a row's state
is looked up by its tokens; only tokens that were never seen are advanced over.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Sequence
from hashlib import blake2b
from typing import TYPE_CHECKING, NoReturn

import numpy as np
import torch
from numpy.typing import NDArray

from gcd.errors import BadLogits, NoAllowedToken, VocabularyMismatch
from gcd.sampling.logits import diagnose, unpack_bitmask

if TYPE_CHECKING:
    from tokenizer_align.constraint import Constraint, State
    from tokenizer_align.vocabulary import Vocabulary

__all__ = ["GrammarLogitsProcessor"]

KEPT = 4096
"""Rows whose states are remembered; 16 bytes of digest and a state each."""


class GrammarLogitsProcessor:
    """Scores with -inf wherever the grammar does not go; give it as `logits_processor=[...]` to `model.generate`.

    >>> processor = GrammarLogitsProcessor(gcd.compile(schema=schema, tokenizer=tokenizer))
    >>> model.generate(**inputs, logits_processor=[processor], do_sample=True, num_return_sequences=4)

    `constraint`: one for all prompts, or a sequence with one for each prompt of the batch. Each prompt then has as many
    rows as any other, one after another, be they beams or return sequences: so transformers lays them out.

    `prompt_length`: columns of `input_ids` that belong to the prompt, padding included; the default is the width of the
    first call. Without it, one processor serves one call of `generate` after another: a call in which no row continues
    a row seen before begins a new prompt. Give it when several tokens may be appended between two calls.

    `eos_token_ids`: ids that may end the text beside those of the constraint's vocabulary, such as the
    `eos_token_id` list of a generation_config.

    A row that has ended, or has left the language (a dead beam), may only take EOS. Raises NoAllowedToken when
    processors that ran before left none of the tokens that the grammar allows, BadLogits for NaN, VocabularyMismatch
    when the scores are narrower than the vocabulary or the constraints have several vocabularies, ValueError when the
    constraints are not as many as the prompts.
    """

    supports_continuous_batching = False

    def __init__(
        self,
        constraint: Constraint | Sequence[Constraint],
        *,
        prompt_length: int | None = None,
        eos_token_ids: Iterable[int] = (),
    ) -> None:
        self.constraints = tuple(constraint) if isinstance(constraint, Sequence) else (constraint,)
        self.vocabulary = _shared_vocabulary(self.constraints)
        self._given_length = self._prompt_length = prompt_length
        self._eos = tuple(dict.fromkeys((*self.vocabulary.eos_token_ids, *eos_token_ids)))
        self._states: OrderedDict[bytes, State | None] = OrderedDict()

    def __call__(self, input_ids: torch.LongTensor, scores: torch.Tensor) -> torch.Tensor:
        width = scores.shape[-1]
        if width < self.vocabulary.size:
            raise VocabularyMismatch(
                f"the vocabulary has {self.vocabulary.size:,} tokens and the scores are {width:,} wide: the "
                "constraint was compiled for another tokenizer"
            )
        ids = input_ids.cpu().numpy().astype(np.int64, copy=False)
        prompts = self._prompts(len(ids))
        states = self._follow(prompts, ids)
        allowed = self._allowed(prompts, states, width).to(scores.device)
        masked = scores.masked_fill(~allowed, -torch.inf)
        sound = masked.amax(dim=-1).isfinite() & ~scores.amax(dim=-1).isnan()
        for i in torch.nonzero(~sound).flatten().tolist():
            if not self._is_over(prompts[i], states[i]):
                self._refuse(ids[i], scores[i], allowed[i])
            masked[i, self._eos[0]] = 0.0  # nobody reads this row, but sampling from it must not fail
        return masked

    def _prompts(self, rows: int) -> list[int]:
        """The number of the prompt, which is that of its constraint, to which each row belongs."""
        each, left = divmod(rows, len(self.constraints))
        if left or not each:
            raise ValueError(
                f"constraint= is a list of {len(self.constraints)}, one for each prompt, and {rows} rows are no "
                "multiple of that: give one constraint, or as many as there are prompts"
            )
        return [row // each for row in range(rows)]

    def _follow(self, prompts: Sequence[int], ids: NDArray[np.int64]) -> list[State | None]:
        """The state after each row; None for a row outside the language."""
        keys = [_digest(prompt, row) for prompt, row in zip(prompts, ids, strict=True)]
        if self._prompt_length is None or (self._given_length is None and self._is_new(prompts, ids)):
            self._prompt_length = ids.shape[1]
            self._states.clear()
        found: dict[bytes, State | None] = {}
        for key, prompt, row in zip(keys, prompts, ids, strict=True):
            if key not in found:
                found[key] = self._states[key] if key in self._states else self._replay(prompt, row)
        # the rows of this call are the youngest, and none of them is forgotten before the next
        for key, state in found.items():
            self._states[key] = state
            self._states.move_to_end(key)
        while len(self._states) > max(KEPT, 2 * len(found)):
            self._states.popitem(last=False)
        return [found[key] for key in keys]

    def _is_new(self, prompts: Sequence[int], ids: NDArray[np.int64]) -> bool:
        """Whether no row continues one that was seen: generate draws every token that it appends from our scores."""
        rows = zip(prompts, ids, strict=True)
        return not any(_digest(prompt, part) in self._states for prompt, row in rows for part in (row, row[:-1]))

    def _replay(self, prompt: int, row: NDArray[np.int64]) -> State | None:
        """The state after a row, from the longest part of it that is known."""
        constraint, begin = self.constraints[prompt], self._prompt_length or 0
        state: State | None = constraint.start
        for end in range(len(row) - 1, begin - 1, -1):
            if (key := _digest(prompt, row[:end])) in self._states:
                begin, state = end, self._states[key]
                break
        for token in row[begin:].tolist():
            state = None if state is None else constraint.try_advance(state, token)
        return state

    def _is_over(self, prompt: int, state: State | None) -> bool:
        """Whether a row has ended or left the language, so that only EOS may follow."""
        return state is None or self.constraints[prompt].is_terminated(state)

    def _allowed(self, prompts: Sequence[int], states: Sequence[State | None], width: int) -> torch.Tensor:
        """bool (batch, width): the masks, all EOS ids where the text may end, and nothing else for rows outside."""
        words = np.zeros((len(states), (width + 31) // 32), dtype=np.int32)
        ends = []
        for row, prompt, state in zip(words, prompts, states, strict=True):
            constraint = self.constraints[prompt]
            ends.append(state is None or constraint.is_accepting(state))
            if state is not None:
                row[: constraint.words] = constraint.mask(state)
        allowed = unpack_bitmask(torch.from_numpy(words), width)
        allowed[torch.tensor(ends)[:, None] & torch.isin(torch.arange(width), torch.tensor(self._eos))] = True
        return allowed

    def _refuse(self, row: NDArray[np.int64], scores: torch.Tensor, allowed: torch.Tensor) -> NoReturn:
        """Raise for a row that is alive and has no token left."""
        generated = row[self._prompt_length :].tolist()
        text = self.vocabulary.decode(generated).decode("utf-8", "replace")
        if not scores.amax().isfinite():
            raise BadLogits(*diagnose(scores, allowed), step=len(generated), text=text)
        tokens = allowed.nonzero().flatten().tolist()
        raise NoAllowedToken(
            f"after {text!r} the grammar allows {_some(tokens)}, and every one has score -inf already: a logits "
            f"processor that ran before removed them, or the model gives them no probability.\n"
            f"Likely: {self._likely(tokens, generated)}."
        )

    def _likely(self, tokens: list[int], generated: list[int]) -> str:
        """The flags of transformers' generate that remove such tokens, the likeliest first."""
        if set(tokens) <= set(self._eos):
            return "min_new_tokens or min_length, which forbid EOS where the grammar ends, or suppress_tokens"
        if set(tokens) & set(generated):
            return "no_repeat_ngram_size (the tokens occurred before), bad_words_ids or suppress_tokens"
        if not generated:
            return "begin_suppress_tokens, bad_words_ids, suppress_tokens or forced_bos_token_id"
        return "bad_words_ids, suppress_tokens, forced_eos_token_id (max_length reached) or prefix_allowed_tokens_fn"


def _shared_vocabulary(constraints: Sequence[Constraint]) -> Vocabulary:
    """The vocabulary of all constraints; raises where they have none, or several."""
    if not constraints:
        raise ValueError("constraint= is an empty list: give one constraint, or as many as there are prompts")
    vocabularies = {constraint.vocabulary for constraint in constraints}
    if len(vocabularies) > 1:
        raise VocabularyMismatch(
            f"the constraints were compiled for {len(vocabularies)} vocabularies, and one model has one: compile all "
            "of them with the same tokenizer="
        )
    return constraints[0].vocabulary


def _digest(prompt: int, row: NDArray[np.int64]) -> bytes:
    """16 bytes for the tokens of a row: equal rows of several prompts have states of their own."""
    return blake2b(np.ascontiguousarray(row).tobytes(), digest_size=16, salt=prompt.to_bytes(8, "little")).digest()


def _some(tokens: list[int]) -> str:
    shown = ", ".join(map(str, tokens[:5])) + (", …" if len(tokens) > 5 else "")
    return f"{len(tokens):,} token{'s' * (len(tokens) != 1)} ({shown})"
