"""Lattice: the law of the strings of one block, given a model's logits and a Constraint.

Place in the walk: Constraint × logits -> **Lattice** -> strings, sums, gradients. A masked diffusion model predicts
all positions of a block at once, each by itself: p(x) = p_1(x_1) ... p_L(x_L). A lattice is that law restricted to the
strings of the constraint, q(x) = p(x) / Z, exactly: its normaliser, its best strings, draws, marginals, all from one
sum over the block. It does *not* choose which positions to commit, and asks no model: that is `gcd.diffusion.decode`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import copy
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias, get_args

import numpy as np
import torch
from numpy.typing import NDArray

from gcd.diffusion.blocks import Ending, Sums, Ways, block_ways
from gcd.diffusion.chain import Chain
from gcd.diffusion.emissions import Emissions
from gcd.diffusion.token_automaton import BlockLimits
from gcd.diffusion.token_sets import TAIL
from gcd.diffusion.tree import Tree
from grammars.errors import EmptyLanguage, UnsupportedFeature
from tokenizer_align.constraint import Constraint, State
from tokenizer_align.errors import VocabularyMismatch

__all__ = ["Draws", "End", "Fixed", "Lattice", "Tail", "check_block", "check_fixed", "no_text"]

Float = NDArray[np.float64]
Tail: TypeAlias = Literal["unscored", "scored"]
End: TypeAlias = Literal["accept", "eos", "open"]
Draws: TypeAlias = Literal["chain", "tree"]
Fixed: TypeAlias = Mapping[int, int]


@dataclass(frozen=True, slots=True)
class _Row:
    """One block of a batch."""

    ways: Ways
    emissions: Emissions
    sums: Sums

    def commit(self, more: Fixed) -> _Row:
        emissions = self.emissions.commit(more)
        return _Row(self.ways, emissions, self.ways.sums(emissions.set_sums, self.sums))

    def k_best(self, k: int) -> list[tuple[list[int], float]]:
        return self.sums.k_best(k, self.emissions.set_bests(), self.emissions.best)


class Lattice:
    """The law q(x) = p(x) / Z over the strings of a constraint that one block of L tokens can hold.

    `logits`: (L, V), or (B, L, V) for B blocks at once; any float type, on any device; -inf is a token that cannot be.

    - `fixed`: {position: token id}, the tokens that are committed already; their logits are not looked at, and they
      count with probability 1. For a batch one mapping for all, or a list of them.
    - `start`: the state before the block (or one for each), by default the constraint's start.
    - `tail`: what follows EOS is padding, written as EOS. "unscored": it has probability 1. "scored": it is predicted
      as EOS like any other token, as models are trained to that see padding as text.
    - `end`: "accept": at the end of the block the text is complete, with EOS or without. "eos": with EOS. "open": it
      may be unfinished, as long as `budget` more tokens suffice to complete it (EOS left out; None: any number).
    - `end_logprob`: where padding is not scored, how likely it was that the text ends at the first fixed EOS, when that
      was fixed; `end_logprob_with` says it. By default it is as given as any other token.
    - `normalize`: whether logits are normalised at each position. Without it they are weights of strings as they are.

    >>> logits = torch.log(torch.tensor([[0.6, 0.4, 0.0], [0.9, 0.1, 0.0]]))  # of a, b and EOS
    >>> lattice = Lattice(gcd.compile(choices=["ab", "ba"], tokenizer=vocabulary), logits)
    >>> token_ids, logprob = lattice.map()
    >>> token_ids.tolist(), logprob.exp().item()
    ([1, 0], 0.36)

    Raises EmptyLanguage where no string is left, BadBlock for logits that are NaN or +inf, VocabularyMismatch for
    logits that are narrower than the vocabulary, LimitExceeded beyond `limits`.
    """

    def __init__(
        self,
        constraint: Constraint,
        logits: torch.Tensor,
        *,
        fixed: Fixed | Sequence[Fixed] | None = None,
        start: State | Sequence[State] | None = None,
        tail: Tail = "unscored",
        end: End = "accept",
        budget: int | None = None,
        end_logprob: float = 0.0,
        normalize: bool = True,
        limits: BlockLimits | None = None,
    ) -> None:
        check_block(constraint, logits, tail, end, budget)
        self.constraint, self.logits = constraint, logits
        self.is_batch = logits.dim() == 3
        blocks = logits if self.is_batch else logits.unsqueeze(0)
        count, length = blocks.shape[:2]
        starts = _for_each(constraint.start if start is None else start, State, count, "start")
        all_fixed = [check_fixed(f, length, blocks.shape[2]) for f in _for_each(fixed or {}, Mapping, count, "fixed")]
        self.tail, self.end, self.budget, self.normalize = tail, end, budget, normalize
        self._end_logprob = end_logprob
        self._limits = limits or BlockLimits()
        self._known: dict[int, Float] = {}  # contexts, by block
        self._rows = [self._row(b, s, f) for b, s, f in zip(blocks, starts, all_fixed, strict=True)]
        self._check_possible()

    def _row(self, logits: torch.Tensor, start: State, fixed: Fixed) -> _Row:
        ending = Ending(self.end, self.budget)
        ways = block_ways(self.constraint, start, len(logits), fixed, ending, self._limits)
        emissions = Emissions(
            logits, ways.partition, fixed,
            eos_set=ways.eos_set, is_tail_scored=self.tail == "scored", is_normalized=self.normalize,
            end_logprob=self._end_logprob,
        )  # fmt: skip
        return _Row(ways, emissions, ways.sums(emissions.set_sums))

    def _check_possible(self) -> None:
        for b, row in enumerate(self._rows):
            if row.sums.log_z == -np.inf:
                raise no_text(row.emissions, self.end, f"block {b}" if self.is_batch else "the block")

    def commit(self, more: Fixed | Sequence[Fixed]) -> Lattice:
        """The lattice with more positions fixed: q given these tokens. Costs less than a new one.

        A new one with these tokens `fixed` is the same where it has the `end_logprob_with` them.

        Raises EmptyLanguage where no string of the lattice has them.
        """
        count, (length, width) = len(self._rows), self.logits.shape[-2:]
        all_more = [check_fixed(f, length, width) for f in _for_each(more, Mapping, count, "fixed")]
        after = copy(self)
        after._known = {}
        after._rows = [row.commit(f) for row, f in zip(self._rows, all_more, strict=True)]
        after._check_possible()
        return after

    def end_logprob_with(self, more: Fixed) -> float:
        """The `end_logprob` of a lattice of one block once more positions are fixed."""
        return self._rows[0].emissions.end_logprob_with(more)

    @property
    def fixed(self) -> Fixed | list[Fixed]:
        """The fixed tokens; a list of them for a batch."""
        each = [row.emissions.fixed for row in self._rows]
        return each if self.is_batch else each[0]

    @property
    def log_z(self) -> torch.Tensor:
        """log Z, float64: a number, or (B,). With normalised logits, the log-probability that a block is in the
        language.

        Differentiable where the logits require it, twice. Its gradient is the marginals, less the model's own where
        logits are normalised, of what is scored and not fixed.
        """
        if self.logits.requires_grad and torch.is_grad_enabled():
            blocks = self.logits if self.is_batch else self.logits.unsqueeze(0)
            each = [_log_z(block, row) for block, row in zip(blocks, self._rows, strict=True)]
            found = torch.stack(each)
        else:
            found = torch.tensor([row.sums.log_z for row in self._rows], dtype=torch.float64)
        return found if self.is_batch else found[0]

    def map(self) -> tuple[torch.Tensor, torch.Tensor]:
        """The most probable string and its log p: (L,) int64 and a number, or (B, L) and (B,)."""
        best = [row.k_best(1)[0] for row in self._rows]
        token_ids, logprobs = _strings(best)
        return (token_ids, logprobs) if self.is_batch else (token_ids[0], logprobs[0])

    def k_best(self, k: int) -> list[tuple[torch.Tensor, torch.Tensor]] | tuple[torch.Tensor, torch.Tensor]:
        """The k most probable strings, best first, and their log p: (k, L) and (k,); fewer where there are no more.

        For a batch a list of such pairs.
        """
        each = [_strings(row.k_best(k)) for row in self._rows]
        return each if self.is_batch else each[0]

    def sample(self, n: int, *, generator: torch.Generator | None = None, method: Draws = "chain") -> torch.Tensor:
        """n independent draws from q: (n, L) int64, or (B, n, L).

        `method` does not change the law. "chain" draws one position after the other. "tree" draws the states between
        the positions, from the middle outwards, in log2(L) steps for all draws at once; it multiplies matrices of
        states first, at each call. It raises LimitExceeded where these are too large, UnsupportedFeature where the
        states of the block cannot be listed.
        """
        if method not in get_args(Draws):
            raise ValueError(f"method must be 'chain' or 'tree', not {method!r}")
        length, each = self.logits.shape[-2], list[torch.Tensor]()
        device = None if generator is None else generator.device
        for row in self._rows:
            size = (3 if method == "tree" else 2, n, length)
            uniforms = torch.rand(size, generator=generator, dtype=torch.float64, device=device).cpu().numpy()
            sets = self._tree(row.sums).draw(uniforms[:2]) if method == "tree" else row.sums.draw(uniforms[0])
            columns = [row.emissions.draw(i, sets[:, i], uniforms[-1, :, i]) for i in range(length)]
            each.append(torch.from_numpy(np.stack(columns, axis=1)))
        return torch.stack(each) if self.is_batch else each[0]

    def _tree(self, sums: Sums) -> Tree:
        if not isinstance(sums, Chain):
            raise UnsupportedFeature(
                "draws by method='tree' are not supported where the states of a block cannot be listed",
                hint="draw with method='chain', or pass limits=BlockLimits(states=...) where they are not too many",
            )
        return Tree(sums, self._limits.products)

    def position_marginals(self, position: int) -> torch.Tensor:
        """The law of the token at a position under q: (V,) float64, or (B, V). Padding is written as EOS."""
        each = [torch.from_numpy(self._shown(b, position)) for b in range(len(self._rows))]
        return torch.stack(each) if self.is_batch else each[0]

    def marginals(self) -> torch.Tensor:
        """The laws of the tokens at all positions: (L, V), or (B, L, V), sparse, float64, rows of sum 1."""
        index, values = list[NDArray[np.int64]](), list[Float]()
        for b in range(len(self._rows)):
            for i in range(self.logits.shape[-2]):
                law = self._shown(b, i)
                (ids,) = law.nonzero()
                place = [np.full_like(ids, b)] if self.is_batch else []
                index.append(np.stack([*place, np.full_like(ids, i), ids]))
                values.append(law[ids])
        return torch.sparse_coo_tensor(
            torch.from_numpy(np.concatenate(index, axis=1)), torch.from_numpy(np.concatenate(values)),
            self.logits.shape, is_coalesced=True, check_invariants=False,
        )  # fmt: skip

    def ended(self) -> torch.Tensor:
        """The probability under q that the text has ended before a position: (L,) float64, or (B, L)."""
        each = [torch.from_numpy(self._behind_the_end(b)) for b in range(len(self._rows))]
        return torch.stack(each) if self.is_batch else each[0]

    def entropy(self) -> torch.Tensor:
        """The entropy of q in nats: a number, or (B,). Padding that is not scored adds nothing: it is one string."""
        found = torch.tensor([self._moments(b)[0] for b in range(len(self._rows))], dtype=torch.float64)
        return found if self.is_batch else found[0]

    def kl(self) -> torch.Tensor:
        """The divergence of q from the model's own law p, KL(q || p) in nats: -log p(language), a number or (B,)."""
        found = torch.tensor([self._moments(b)[1] for b in range(len(self._rows))], dtype=torch.float64)
        return found if self.is_batch else found[0]

    def _contexts(self, b: int) -> Float:
        if b not in self._known:
            self._known[b] = self._rows[b].sums.contexts()
        return self._known[b]

    def _behind_the_end(self, b: int) -> Float:
        emissions, contexts = self._rows[b].emissions, self._contexts(b)
        return np.exp(contexts[:, TAIL] + emissions.set_sums[:, TAIL])

    def _shown(self, b: int, position: int) -> Float:
        """The law of what is written at a position, padding with it."""
        emissions, contexts = self._rows[b].emissions, self._contexts(b)[position]
        law = emissions.token_weights(position, contexts)
        if self.tail == "unscored":
            law[emissions.pad(position)] += np.exp(contexts[TAIL] + emissions.set_sums[position, TAIL])
        return law

    def _moments(self, b: int) -> tuple[float, float]:
        """The entropy of q, and its divergence from p."""
        row = self._rows[b]
        log_z, expected, taken_off = row.sums.log_z, 0.0, 0.0
        scored = np.ones(row.emissions.length) if self.tail == "scored" else 1 - self._behind_the_end(b)
        for i in range(row.emissions.length):
            law, weights = row.emissions.token_weights(i, self._contexts(b)[i]), row.emissions.row(i)
            possible = law > 0
            expected += float(law[possible] @ weights[possible])
            if not self.normalize and i not in row.emissions.fixed:
                taken_off += scored[i] * float(np.logaddexp.reduce(weights))
        return max(0.0, log_z - expected), max(0.0, taken_off - log_z)


class _LogZ(torch.autograd.Function):
    """log Z of one block, with its marginals for a gradient."""

    @staticmethod
    def forward(ctx: Any, logits: torch.Tensor, row: _Row) -> torch.Tensor:
        ctx.save_for_backward(logits)
        ctx.row = row
        return torch.tensor(row.sums.log_z, dtype=torch.float64)

    @staticmethod
    def backward(ctx: Any, *outputs: torch.Tensor) -> tuple[torch.Tensor, None]:
        (logits,), row, (output,) = ctx.saved_tensors, ctx.row, outputs
        if torch.is_grad_enabled():  # somebody will differentiate the gradient
            with torch.enable_grad():
                log_z = row.sums.torch_log_z(row.emissions.torch_set_weights(logits))
                (gradient,) = torch.autograd.grad(log_z, logits, output.to(log_z.device), create_graph=True)
            return gradient, None
        return row.emissions.gradient(row.sums.contexts(), float(output)), None


def _log_z(logits: torch.Tensor, row: _Row) -> torch.Tensor:
    found: torch.Tensor = _LogZ.apply(logits, row)  # type: ignore[no-untyped-call]
    return found


_HINTS = {
    "accept": "make the block longer, or pass end='open' where later blocks complete the text",
    "eos": "make the block longer: it must hold a whole text and EOS",
    "open": "a later block must have room to complete the text: pass a larger budget",
}


def _for_each(value: Any, kind: type[Any], count: int, name: str) -> list[Any]:
    """One value for each of the blocks."""
    if isinstance(value, kind):
        return [value] * count
    if len(value) != count:
        raise ValueError(f"{name} must be one for all blocks or one for each of the {count}, not {len(value)}")
    return list(value)


def no_text(emissions: Emissions, end: End, which: str) -> EmptyLanguage:
    """That no string is left."""
    fixed = f" around its {len(emissions.fixed)} fixed tokens" if emissions.fixed else ""
    return EmptyLanguage(f"no text of the grammar fills {which} of {emissions.length} tokens{fixed}", hint=_HINTS[end])


def check_block(constraint: Constraint, logits: torch.Tensor, tail: Tail, end: End, budget: int | None) -> None:
    """Raises ValueError or VocabularyMismatch for what no block has."""
    if logits.dim() not in (2, 3) or not logits.is_floating_point() or not logits.shape[-2]:
        raise ValueError(f"logits must be floats (L, V) or (B, L, V), L >= 1, not {logits.dtype} {(*logits.shape,)}")
    if logits.shape[-1] < constraint.vocabulary.size:
        raise VocabularyMismatch(
            f"the logits are {logits.shape[-1]:,} wide, the vocabulary has {constraint.vocabulary.size:,} ids"
        )
    if tail not in ("unscored", "scored"):
        raise ValueError(f"tail must be 'unscored' or 'scored', not {tail!r}")
    if end not in ("accept", "eos", "open"):
        raise ValueError(f"end must be 'accept', 'eos' or 'open', not {end!r}")
    if budget is not None and end != "open":
        raise ValueError(f"budget says how an open end may be completed: pass end='open', not {end!r}")


def check_fixed(fixed: Fixed, length: int, width: int) -> dict[int, int]:
    """Fixed tokens as a plain dict; raises ValueError for what is not in the block."""
    for position, token in fixed.items():
        if not 0 <= position < length:
            raise ValueError(f"fixed names position {position} of a block of {length}")
        if not 0 <= token < width:
            raise ValueError(f"fixed has token {token} at position {position}, the logits have {width:,} ids")
    return {int(position): int(token) for position, token in fixed.items()}


def _strings(found: list[tuple[list[int], float]]) -> tuple[torch.Tensor, torch.Tensor]:
    token_ids, logprobs = zip(*found, strict=True)
    return torch.tensor(token_ids), torch.tensor(logprobs, dtype=torch.float64)
