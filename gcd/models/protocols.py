"""What a model is to this library: three attributes, and optionally sessions that remember what they have read.

Place in the walk: models stand beside the Constraint; `gcd.sampling` asks both. Nothing here imports torch at run time,
so that any object with these names is a model.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate, pairwise
from typing import TYPE_CHECKING, Protocol, runtime_checkable

if TYPE_CHECKING:
    import torch

__all__ = [
    "DiffusionModel", "LanguageModel", "Session", "SessionModel", "StatelessSession", "TreeModel", "TreeSession",
    "has_no_masks", "is_diffusion", "open_session",
]  # fmt: skip


class LanguageModel(Protocol):
    """Anything that gives logits for the next token of each of some sequences.

    Optional attributes, read where they exist: `bos_token_id` (where an empty prompt starts), `needs_prompt` (True for
    a model that cannot start from nothing), `context_length` (positions, prompt included), `tokenizer`.
    """

    @property
    def vocab_size(self) -> int:
        """The width of the logits."""
        ...

    @property
    def eos_token_ids(self) -> Sequence[int]:
        """The ids after which the model stops."""
        ...

    def next_logits(self, sequences: Sequence[Sequence[int]]) -> torch.Tensor:
        """The logits of the next token after each sequence, shape (len(sequences), vocab_size), any float dtype."""
        ...


class DiffusionModel(Protocol):
    """Anything that fills canvases: token ids with masks among them -> the logits of all positions.

    Optional attributes, read where they exist: `canvas_length` (how many positions it fills at once), and
    `context_length`, `bos_token_id` and `tokenizer`, as those of a LanguageModel.
    """

    @property
    def vocab_size(self) -> int:
        """The width of the logits."""
        ...

    @property
    def eos_token_ids(self) -> Sequence[int]:
        """The ids that end a text; the first one fills the canvas behind it."""
        ...

    @property
    def mask_token_id(self) -> int:
        """What stands where nothing is decided yet."""
        ...

    def __call__(self, token_ids: torch.Tensor) -> torch.Tensor:
        """Token ids (B, T) int64 -> logits (B, T, vocab_size), any float dtype."""
        ...


def is_diffusion(model: object) -> bool:
    """Whether a model fills canvases: it is called with token ids, and some of them are masks; or it has no masks.

    (A tokenizer of transformers can be called too, and has whatever is called `..._token_ids`; but it encodes.)
    """
    return has_no_masks(model) or (
        callable(model)
        and hasattr(model, "mask_token_id")
        and hasattr(model, "eos_token_ids")
        and not hasattr(model, "next_logits")
        and not hasattr(model, "encode")
    )


def has_no_masks(model: object) -> bool:
    """Whether a model improves canvases of noise, as DiffusionGemma does."""
    return hasattr(model, "open_canvases")


class Session(Protocol):
    """Some rows of tokens that grow, and the logits along them; what has been read is not read again.

    `ragged`: the rows of one call may bring different numbers of tokens. `forgets`: they may be taken back. `calls`
    counts forward passes.
    """

    ragged: bool
    forgets: bool
    calls: int

    def extend(self, rows: Sequence[int], tokens: Sequence[Sequence[int]]) -> list[torch.Tensor]:
        """Append `tokens[i]` to row `rows[i]`; a row that is left out is finished and never comes back.

        Returns for each of `rows` the logits of what follows each appended token, shape (len(tokens[i]), V). The first
        call reads the prompts as well, and there the result starts one earlier, with what follows the prompt:
        (1 + len(tokens[i]), V).
        """
        ...

    def forget(self, rows: Sequence[int], counts: Sequence[int]) -> None:
        """Take back the last `counts[i]` tokens that the last `extend` appended to row `rows[i]`, which are its rows.

        Where `forgets` is False it is not called.
        """
        ...


@runtime_checkable
class SessionModel(Protocol):
    """A model that keeps what it has read, as a KV cache does."""

    def open_session(self, prompts: Sequence[Sequence[int]]) -> Session:
        """A session over the prompts; nothing is computed before the first `extend`."""
        ...


class TreeSession(Protocol):
    """The logits behind any continuation of one prompt, asked for in any order; `tokens` counts what the model read.

    It may have `logits_of(prefixes)`, shape (len(prefixes), V), which reads several in one pass.
    """

    tokens: int

    def logits(self, token_ids: tuple[int, ...]) -> torch.Tensor:
        """What follows the prompt and these tokens, shape (V,)."""
        ...


@runtime_checkable
class TreeModel(Protocol):
    """A model that keeps what it has read for every branch."""

    def open_tree(self, prompt: Sequence[int]) -> TreeSession:
        """A tree session over a prompt; nothing is computed before the first question."""
        ...


class StatelessSession:
    """A Session over any LanguageModel, by asking for every prefix anew; one call of `next_logits` an extension."""

    ragged = forgets = True

    def __init__(self, model: LanguageModel, prompts: Sequence[Sequence[int]]) -> None:
        self._model = model
        self._sequences = [list(prompt) for prompt in prompts]
        self.calls = 0

    def extend(self, rows: Sequence[int], tokens: Sequence[Sequence[int]]) -> list[torch.Tensor]:
        first = 0 if self.calls == 0 else 1
        self.calls += 1
        asked: list[list[int]] = []
        for row, new in zip(rows, tokens, strict=True):
            begin = len(self._sequences[row])
            self._sequences[row] += new
            asked += (self._sequences[row][: begin + kept] for kept in range(first, len(new) + 1))
        logits = self._model.next_logits(asked)
        ends = list(accumulate(len(new) + 1 - first for new in tokens))
        return [logits[begin:end] for begin, end in pairwise([0, *ends])]

    def forget(self, rows: Sequence[int], counts: Sequence[int]) -> None:
        for row, count in zip(rows, counts, strict=True):
            del self._sequences[row][len(self._sequences[row]) - count :]


def open_session(model: LanguageModel, prompts: Sequence[Sequence[int]]) -> Session:
    """The model's own session where it has one, otherwise a stateless one."""
    if isinstance(model, SessionModel):
        return model.open_session(prompts)
    return StatelessSession(model, prompts)
