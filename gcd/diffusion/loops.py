"""decode: a masked diffusion model fills a canvas inside a grammar, block by block.

Place in the walk: model × Constraint -> Lattice -> policy -> **tokens**. At each step the model predicts all masked
positions, a lattice makes that the law of complete strings, and a part of one string is committed. So no step can lead
to a dead end, nothing is rejected and nothing is begun anew.

| method        | what is committed                         | what it guarantees                                  |
|---------------|-------------------------------------------|-----------------------------------------------------|
| `exact`       | tokens of a draw from the lattice         | each step has the model's own law given the grammar |
| `trajectory`  | the same, by weighted particles           | the whole way has, in the limit of many particles   |
| `dingo`       | tokens of the most probable string        | the best completion at each step (2505.23061)       |
| `greedy-mask` | the likeliest token that can be completed | a valid text; the baseline                          |

The steps of `exact` are exact and its texts are not: a model that predicts anew after each commit had weighed the
first ones by what it expected, not by what came. `trajectory` corrects that by weights; see `particles.py`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, TypeAlias, get_args

import torch

from gcd.diffusion.best_first import best_string
from gcd.diffusion.lattice import End, Lattice, Tail
from gcd.diffusion.particles import mean_weight, redrawn
from gcd.diffusion.policies import Policy, View, evenly, view
from gcd.diffusion.predictor import BlockCache, Denoiser, Predictor
from gcd.diffusion.token_automaton import BlockLimits
from grammars.errors import LimitExceeded
from tokenizer_align.constraint import Constraint, State

__all__ = ["Decoding", "Method", "decode"]

Method: TypeAlias = Literal["exact", "trajectory", "dingo", "greedy-mask"]


@dataclass(frozen=True, slots=True)
class Decoding:
    """One filled canvas."""

    token_ids: tuple[int, ...]
    """All of them, padding included."""
    data: bytes
    """The text; special tokens have none."""
    committed_at: tuple[int, ...]
    """The call of the model behind which each position was committed; -1 where none was needed."""
    calls: int
    """How often the model was asked."""
    log_weight: float
    """By `trajectory`: an estimate (of its exponential: without bias) of log p(the model's own canvas is in the
    language).
    """


@dataclass(slots=True)
class _Row:
    """One canvas in the making; `state` is that before the block that is being filled."""

    ids: list[int]
    state: State
    committed_at: list[int]
    log_weight: float = 0.0
    expected: float = 0.0  # log Z of what is committed, by the law that it was drawn from
    end_logprob: float = 0.0  # of the end at the first EOS of this block, when that was committed
    seen: View | None = None  # by the policy, at the last step of this block

    @property
    def key(self) -> _Key:
        """All that the law of what is masked depends on."""
        return (*self.ids,), self.state, self.end_logprob


_Key: TypeAlias = tuple[tuple[int, ...], State, float]


@dataclass(slots=True)
class _Run:
    """Some canvases that are filled side by side, and what is the same for all of them."""

    predictor: Predictor
    constraint: Constraint
    method: Method
    policy: Policy
    tail: Tail
    limits: BlockLimits | None
    generator: torch.Generator
    rows: list[_Row]
    log_mean: float = 0.0  # of the weights that were evened out


@dataclass(frozen=True, slots=True)
class _Block:
    """A stretch of the canvas, and how it may end."""

    begin: int
    stop: int
    steps: int
    end: End
    budget: int | None

    def masked(self, row: _Row, mask: int) -> list[int]:
        return [i for i in range(self.stop - self.begin) if row.ids[self.begin + i] == mask]


def decode(
    model: Denoiser,
    constraint: Constraint,
    length: int,
    *,
    mask_token_id: int,
    prompt: Sequence[int] = (),
    method: Method = "exact",
    policy: Policy | None = None,
    steps: int | None = None,
    block_length: int | None = None,
    n: int = 1,
    particles: int = 16,
    temperature: float = 1.0,
    fixed: Mapping[int, int] | None = None,
    tail: Tail = "unscored",
    end: End = "accept",
    block_cache: BlockCache | None = None,
    seed: int | None = None,
    limits: BlockLimits | None = None,
) -> list[Decoding]:
    """n canvases of `length` tokens behind a prompt, each a string of the constraint.

    - `block_length`: blocks are filled one after the other, all positions at once by default; each is left so that
      those behind it have room to complete the text.
    - `steps`: the most calls of the model a block, by default one for each position; the last commits all that is left.
    - `policy`: which positions to commit; see `gcd.diffusion.policies`. By default the most certain ones, evenly.
    - `fixed`: tokens of the canvas that are given, by position: a text with holes. One block only.
    - `temperature` sharpens the law of whole strings: p(x)^(1/T), restricted to the grammar.
    - `block_cache`: what a `WindowedDenoiser` made of the positions before a block ("prefix"), or behind it as well
      ("dual"), at the block's first step stands for its other steps too. Those cost less, and their logits are near
      the model's own: texts are valid all the same, and "the model's own law" is that of the model with its cache.

    >>> decode(model, gcd.compile(regex="(ab)*", tokenizer=vocabulary), 4, mask_token_id=3, seed=1)[0].data
    b'abab'

    Raises EmptyLanguage before the model is asked where no text fits, ModelError for a block cache that the model does
    not offer, and what `Lattice` raises.
    """
    block = length if block_length is None else block_length
    if length < 1 or block < 1 or n < 1 or particles < 1 or (steps is not None and steps < 1):
        raise ValueError("length, block_length, steps, n and particles must be at least 1")
    if method not in get_args(Method):
        raise ValueError(f"method must be one of {', '.join(get_args(Method))}, not {method!r}")
    if not (temperature > 0 and math.isfinite(temperature)):
        raise ValueError(f"temperature must be a number > 0, not {temperature}: method='dingo' is its limit")
    if block_cache not in (None, *get_args(BlockCache)):
        raise ValueError(f"block_cache must be 'prefix', 'dual' or None, not {block_cache!r}")
    if fixed and block < length:
        raise ValueError("fixed tokens need one block: earlier ones would not see those of later ones")
    blocks = [_block(begin, min(begin + block, length), length, steps, end) for begin in range(0, length, block)]
    _check_room(constraint, blocks[0], length, fixed or {}, tail, limits)
    generator = torch.Generator()
    if seed is None:
        generator.seed()
    else:
        generator.manual_seed(seed)
    made, ids = list[Decoding](), [(fixed or {}).get(i, mask_token_id) for i in range(length)]
    populations, count = (n, particles) if method == "trajectory" else (1, n)
    for _ in range(populations):
        predictor = Predictor(model, (*prompt,), mask_token_id, temperature, block_cache)
        rows = [_Row([*ids], constraint.start, [-1] * length) for _ in range(count)]
        run = _Run(predictor, constraint, method, policy or evenly(), tail, limits, generator, rows)
        for part in blocks:
            _fill(run, part)
        made += _finished(run)
    return made


def _block(begin: int, stop: int, length: int, steps: int | None, end: End) -> _Block:
    """The block; one with others behind it may end where these have room to complete the text."""
    if stop == length or end == "open":
        return _Block(begin, stop, steps or stop - begin, end, None)
    return _Block(begin, stop, steps or stop - begin, "open", length - stop - (end == "eos"))


def _check_room(
    constraint: Constraint, block: _Block, length: int, fixed: Mapping[int, int], tail: Tail, limits: BlockLimits | None
) -> None:
    """Raises EmptyLanguage where no text fits into the canvas."""
    if fixed or constraint.min_tokens_to_end(constraint.start) + 1 > length:
        nothing = torch.zeros(block.stop, constraint.vocabulary.size)
        Lattice(constraint, nothing, fixed=fixed, tail=tail, end=block.end, budget=block.budget, limits=limits)


def _fill(run: _Run, block: _Block) -> None:
    """Commits all positions of one block in all rows."""
    mask = run.predictor.mask
    for row in run.rows:
        if run.tail == "unscored" and run.constraint.is_terminated(row.state):
            for i in block.masked(row, mask):
                row.ids[block.begin + i] = run.constraint.vocabulary.eos_token_ids[0]
    for steps_left in range(block.steps, 0, -1):
        masked = [row for row in run.rows if block.masked(row, mask)]
        if not masked:
            break
        laws = _laws(run, block, masked)
        if run.method == "dingo" and steps_left == 1:
            best = {key: law.best().tolist() for key, law in laws.items()}
            for row in masked:
                string = best[row.key]
                _write(run, block, row, {i: string[i] for i in block.masked(row, mask)})
        else:
            _step(run, block, masked, {key: law.lattice() for key, law in laws.items()}, steps_left)
    behind = dict[_Key, State]()  # equal canvases are read once
    for row in run.rows:
        row.seen, row.end_logprob = None, 0.0
        key = row.key
        if key not in behind:
            behind[key] = row.state
            for token in row.ids[block.begin : block.stop]:
                behind[key] = run.constraint.advance(behind[key], token)
        row.state = behind[key]


def _step(run: _Run, block: _Block, masked: list[_Row], lattices: dict[_Key, Lattice], steps_left: int) -> None:
    """Commits what the policy chooses, in all rows with masks."""
    if run.method == "trajectory":
        log_z = {key: float(lattice.log_z) for key, lattice in lattices.items()}
        for row in masked:
            row.log_weight += log_z[row.key] - row.expected
        _redraw(run)
    groups = dict[tuple[_Key, int], list[_Row]]()  # canvases that are equal and have been seen alike
    for row in run.rows:
        key = row.key
        if key in lattices:
            groups.setdefault((key, id(row.seen)), []).append(row)
    for (key, _), rows in groups.items():
        free = chosen = block.masked(rows[0], run.predictor.mask)
        if steps_left > 1:
            seen = view(lattices[key], free, steps_left, rows[0].seen)
            chosen = sorted({*free} & {*run.policy(seen)}) or free[:1]
            for row in rows:
                row.seen = seen
        _commit(run, block, rows, lattices[key], chosen)


def _laws(run: _Run, block: _Block, rows: list[_Row]) -> dict[_Key, _Law]:
    """The law of the block for each different canvas, from one call of the model."""
    canvases = sorted({(*row.ids,) for row in rows})
    logits = dict(zip(canvases, run.predictor.logits(canvases, block.begin, block.stop), strict=True))
    made = dict[_Key, _Law]()
    for row in rows:
        if row.key not in made:
            ids = row.ids[block.begin : block.stop]
            options: dict[str, Any] = {
                "fixed": {i: token for i, token in enumerate(ids) if token != run.predictor.mask}, "start": row.state,
                "tail": run.tail, "end": block.end, "budget": block.budget,
                "end_logprob": row.end_logprob, "normalize": run.predictor.temperature == 1,
            }  # fmt: skip
            made[row.key] = _Law(run.constraint, logits[(*row.ids,)], run.limits, options)
    return made


@dataclass(frozen=True, slots=True)
class _Law:
    """What the model predicts of one canvas: the arguments of a lattice."""

    constraint: Constraint
    logits: torch.Tensor
    limits: BlockLimits | None
    options: dict[str, Any]

    def lattice(self) -> Lattice:
        return Lattice(self.constraint, self.logits, limits=self.limits, **self.options)

    def best(self) -> torch.Tensor:
        """The most probable string. Where rules recurse a lattice is large, and most of it is on no likely string."""
        if self.constraint.automaton.is_recursive:
            try:
                return best_string(self.constraint, self.logits, **self.options)[0]
            except LimitExceeded:
                pass  # too many strings are nearly as probable for a search: the lattice finds the same one
        return self.lattice().map()[0]


def _commit(run: _Run, block: _Block, rows: list[_Row], lattice: Lattice, chosen: list[int]) -> None:
    """Commits the chosen positions of rows that are equal so far."""
    match run.method:
        case "dingo":
            strings = [lattice.map()[0].tolist()] * len(rows)
        case "greedy-mask":
            strings = [_greedily(lattice, chosen)] * len(rows)
        case _:
            strings = lattice.sample(len(rows), generator=run.generator).tolist()
    log_z = dict[tuple[int, ...], float]()
    for row, string in zip(rows, strings, strict=True):
        tokens = {i: string[i] for i in chosen}
        if run.method == "trajectory":
            values = (*tokens.values(),)
            if values not in log_z:
                log_z[values] = float(lattice.commit(tokens).log_z)
            row.expected = log_z[values]
        row.end_logprob = lattice.end_logprob_with(tokens)
        _write(run, block, row, tokens)


def _write(run: _Run, block: _Block, row: _Row, tokens: Mapping[int, int]) -> None:
    for i, token in tokens.items():
        row.ids[block.begin + i] = token
        row.committed_at[block.begin + i] = run.predictor.calls


def _greedily(lattice: Lattice, chosen: Sequence[int]) -> list[int]:
    """The likeliest token of each chosen position in turn that can still be completed; the others are left at 0."""
    string = [0] * len(lattice.logits)
    for i in chosen:
        possible = lattice.position_marginals(i) > 0
        string[i] = int(lattice.logits[i].cpu().masked_fill(~possible, -torch.inf).argmax())
        lattice = lattice.commit({i: string[i]})
    return string


def _redraw(run: _Run) -> None:
    """Draws the particles anew by their weights where these have become uneven."""
    log_weights = [row.log_weight for row in run.rows]
    if (drawn := redrawn(log_weights, run.generator)) is not None:
        run.log_mean += mean_weight(log_weights)
        run.rows = [
            replace(row, ids=[*row.ids], committed_at=[*row.committed_at], log_weight=0.0)
            for row in (run.rows[i] for i in drawn)
        ]


def _finished(run: _Run) -> list[Decoding]:
    """All canvases; of particles one, drawn by their weights."""
    rows, log_weight = run.rows, 0.0
    if run.method == "trajectory":
        log_weights = [row.log_weight for row in rows]
        log_weight = run.log_mean + mean_weight(log_weights)
        shares = torch.tensor(log_weights, dtype=torch.float64).softmax(0)
        rows = [rows[int(torch.multinomial(shares, 1, generator=run.generator))]]
    decoded, calls = run.constraint.vocabulary.decode, run.predictor.calls
    return [Decoding((*row.ids,), decoded(row.ids), (*row.committed_at,), calls, log_weight) for row in rows]
