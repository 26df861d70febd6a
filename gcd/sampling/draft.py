"""What a row may try without asking the model: a draft of its next tokens, which one forward pass confirms or refutes.

Place in the walk: beside `jump.py`. A jump decides tokens; a draft only has them read ahead, so that the logits behind
each are at hand in one pass. Where the draft is what is drawn, the next draw needs no pass of its own.

| draft    | what it proposes                                                                  | where it pays       |
|----------|-----------------------------------------------------------------------------------|---------------------|
| `lookup` | what followed the last tokens when they came before, in the prompt or in the text | extraction, editing |
| `model`  | what another, smaller model would write, its likeliest allowed token at each step | any text            |

Where that model has other tokens, `text_draft.py` says its text in the row's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, TypeAlias

from gcd.models.kv_tree import open_tree
from gcd.sampling.logits import unpack_bitmask

if TYPE_CHECKING:
    from gcd.models.protocols import LanguageModel, TreeSession
    from gcd.sampling.masked import Row
    from tokenizer_align.constraint import Constraint, State

__all__ = ["Draft", "Drafter", "allowed_of", "lookup_draft", "model_draft", "no_draft"]

Draft: TypeAlias = "Callable[[Row], Sequence[int]]"
"""The tokens to read ahead for a row, each allowed after the one before."""

LONGEST = 3
"""The last tokens that must have come before; where they did not, two of them, then one."""

BATCH = 32
"""The prompts whose caches a drafting model keeps."""


def no_draft(row: Row) -> Sequence[int]:
    """Nothing is read ahead."""
    return ()


def lookup_draft(most: int) -> Draft:
    """Up to `most` tokens that followed the row's last ones where they came last, as far as the language allows them.

    >>> lookup_draft(4)(row)    # a prompt 5 6 7 8 9, a text 6 7
    [8, 9]
    """

    def draft(row: Row) -> Sequence[int]:
        tokens = [*row.prompt_ids, *row.token_ids]
        for length in range(min(LONGEST, len(tokens) - 1), 0, -1):
            last = tokens[-length:]
            for place in range(len(tokens) - length - 1, -1, -1):
                if tokens[place : place + length] == last:
                    return list(allowed_of(row, tokens[place + length : place + length + most]))
        return ()

    return draft


def model_draft(model: LanguageModel, most: int) -> Draft:
    """Up to `most` tokens, each the likeliest one of `model` that the language allows; it has the same vocabulary."""
    drafter = Drafter(model)

    def draft(row: Row) -> Sequence[int]:
        return drafter.write(row.prompt_ids, row.token_ids, row.constraint, row.state, most)[0]

    return draft


class Drafter:
    """A model that drafts, with what it has read of the last prompts."""

    def __init__(self, model: LanguageModel) -> None:
        self._model = model
        self._trees: dict[tuple[int, ...], TreeSession] = {}

    def write(
        self, prompt_ids: tuple[int, ...], token_ids: Sequence[int], constraint: Constraint, state: State, most: int
    ) -> tuple[list[int], bool]:
        """Up to `most` tokens behind these, each the likeliest that is allowed; and whether the text would end there.

        They are fewer where the model has no positions for more.
        """
        import torch

        if prompt_ids not in self._trees:
            if len(self._trees) == BATCH:
                self._trees.clear()
            self._trees[prompt_ids] = open_tree(self._model, prompt_ids)
        tree, found = self._trees[prompt_ids], list[int]()
        context = getattr(self._model, "context_length", None)
        room = most if context is None else context + 1 - len(prompt_ids) - len(token_ids)
        while len(found) < min(most, room):
            logits = tree.logits((*token_ids, *found)).float().cpu()
            allowed = unpack_bitmask(torch.from_numpy(constraint.mask(state).copy()).unsqueeze(0), len(logits))[0]
            token = int(logits.nan_to_num(-torch.inf).masked_fill(~allowed, -torch.inf).argmax())
            if token in constraint.vocabulary.eos_token_ids or not allowed[token]:
                return found, bool(allowed[token])
            found.append(token)
            state = constraint.advance(state, token)
        return found, False


def allowed_of(row: Row, token_ids: Sequence[int]) -> Iterator[int]:
    """The tokens up to the first one that the language refuses, or that ends the text."""
    state = row.state
    for token in token_ids:
        after = None if token in row.constraint.vocabulary.eos_token_ids else row.constraint.try_advance(state, token)
        if after is None:
            return
        yield token
        state = after
