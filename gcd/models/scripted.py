"""ScriptedLM: a model that is a table or a function, for tests, examples and laws that need no weights."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    import torch

__all__ = ["ScriptedLM"]

Script: TypeAlias = (
    Callable[[tuple[int, ...]], Sequence[float]] | Mapping[tuple[int, ...], Sequence[float]] | Sequence[float]
)


class ScriptedLM:
    """A LanguageModel whose next-token *probabilities* (they need not sum to 1) are written down.

    `script` is one row for every prefix, a table from prefix to row (a prefix that is missing is uniform), or a
    function of the prefix; prefixes include the prompt. `tokenizer` says what its tokens are, a Vocabulary will do.

    >>> ScriptedLM([0.5, 0.5, 0.0], eos_token_ids=[2]).next_logits([[]]).exp()
    tensor([[0.5000, 0.5000, 0.0000]])
    """

    def __init__(
        self,
        script: Script,
        *,
        eos_token_ids: Sequence[int],
        vocab_size: int | None = None,
        bos_token_id: int | None = None,
        tokenizer: object = None,
    ) -> None:
        if vocab_size is None:
            rows = script.values() if isinstance(script, Mapping) else [script]
            sizes = {len(row) for row in rows if not callable(row)}
            if len(sizes) != 1:
                raise ValueError(
                    f"the script does not say how wide its rows are (found {sorted(sizes)}): give vocab_size="
                )
            (vocab_size,) = sizes
        self.vocab_size = vocab_size
        self.eos_token_ids = tuple(eos_token_ids)
        self.bos_token_id = bos_token_id
        self.needs_prompt = False
        if tokenizer is not None:  # a subclass may have one of its own
            self.tokenizer = tokenizer
        self._script = script

    def next_logits(self, sequences: Sequence[Sequence[int]]) -> torch.Tensor:
        import torch

        rows = [[_log(p) for p in self._row(tuple(sequence))] for sequence in sequences]
        return torch.tensor(rows, dtype=torch.float32)

    def _row(self, prefix: tuple[int, ...]) -> Sequence[float]:
        if callable(self._script):
            return self._script(prefix)
        if isinstance(self._script, Mapping):
            return self._script.get(prefix, [1.0] * self.vocab_size)
        return self._script


def _log(probability: float) -> float:
    return math.log(probability) if probability > 0 else -math.inf if probability == 0 else math.nan
