"""SampleTrie: what is known of a model under a constraint, as a tree of the prefixes that were visited.

Place in the walk: samplers go down it and write into it. Rows of the model come from `rows.py`; it draws nothing.

For a prefix u let c(u) be the probability that the model, going on from u, ends a text of the language in time. The
trie keeps bounds `sure(u)` <= c(u) <= `kept(u)`. Of a node that was never asked for they are 0 and 1. At one that was,
with P(t|u) the model's law after its knobs, and the tokens that the mask refuses removed as one mass:

    kept(u) = rest(u) + Σ P(t|u) kept(ut)      rest: the mass of the allowed tokens that are no children yet
    sure(u) = ends(u) + Σ P(t|u) sure(ut)      ends: the mass of the EOS tokens that are allowed and no children yet

Nodes are sparse: a child for a token that was drawn, one number for all others. `rest` is summed anew from the model's
row whenever a child is split off it, never subtracted from, and all sums are of positive parts in float64, so that
kept(u) is exact to rounding even where it is 1e-300.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from gcd.sampling.aligned.dice import log_sum
from gcd.sampling.logits import Warp

if TYPE_CHECKING:
    from tokenizer_align.constraint import Constraint, State

__all__ = ["ROUNDING", "Along", "Node", "SampleTrie", "Where"]

ROUNDING = 1e-9
"""How much wider `log_mass` is than what was summed, in nats: sums in float64 over 250,000 tokens err by 1e-10."""

Where = Callable[[str], bool]
"""A test of a finished text, beyond what the constraint says."""

Along = Callable[[tuple[int, ...], bool], bool]
"""A test of the tokens so far, their EOS left out, and whether they are all: what fails it, nothing can begin with."""


@dataclass(slots=True, eq=False)
class Node:
    """A prefix that was visited: `depth` tokens, the last of them `token_id`, all masses as logarithms.

    | field         | what it is                                                                        |
    |---------------|-----------------------------------------------------------------------------------|
    | `logp`, `raw` | log P(token_id | parent), after the knobs and under the model alone               |
    | `state`       | of the constraint; None in a loaded trie until it is needed                       |
    | `done`        | the last token is an EOS: a finished text                                         |
    | `known`       | the model was asked here: what follows is filled in                               |
    | `log_z`       | the mass of what the mask allows                                                  |
    | `log_rest`    | the part of it that belongs to no child                                           |
    | `ends`        | the allowed EOS tokens with their log-probabilities                               |
    | `perplexity`  | exp of the entropy of the model's law over what the mask allows                   |
    | `digest`      | a checksum of the mask                                                            |
    | `judged`      | the tests of the trie were asked; without any it stays False                      |
    | `log_kept`    | an upper bound on log c                                                           |
    | `log_sure`    | a lower bound on log c                                                            |
    """

    parent: Node | None
    token_id: int
    depth: int
    logp: float
    raw: float
    state: State | None
    done: bool = False
    known: bool = False
    log_z: float = 0.0
    log_rest: float = 0.0
    ends: tuple[tuple[int, float], ...] = ()
    perplexity: float = 1.0
    digest: int = 0
    judged: bool = False
    children: dict[int, Node] = field(default_factory=dict)
    log_kept: float = 0.0
    log_sure: float = -math.inf

    def token_ids(self) -> tuple[int, ...]:
        """The tokens from the root to here."""
        return tuple(node.token_id for node in self.path()[1:])

    def path(self) -> list[Node]:
        """The nodes from the root to here, both included."""
        nodes = [self]
        while (parent := nodes[-1].parent) is not None:
            nodes.append(parent)
        return nodes[::-1]


class SampleTrie:
    """The tree for one prompt, constraint, budget and setting of the knobs; give it to `gcd.sample(trie=)` again.

    What it holds stays true, so that later calls need fewer attempts and fewer tokens of the model. `save` writes it
    to a file, `load` reads it (`store.py`). It grows by one node for each token that was drawn anew, about 0.5 KB. It
    is for one call at a time.
    """

    def __init__(
        self, constraint: Constraint, *, budget: int, prompt_ids: tuple[int, ...] = (), warp: Warp | None = None,
        where: Where | None = None, along: Along | None = None,
    ) -> None:  # fmt: skip
        self.constraint, self.budget, self.prompt_ids = constraint, budget, tuple(prompt_ids)
        self.warp, self.where, self.along = warp or Warp(), where, along
        self.root = Node(None, -1, 0, 0.0, 0.0, constraint.start)
        self.eos = np.array(constraint.vocabulary.eos_token_ids)
        self._judged: dict[str, bool] = {}
        self.of_this_model = True  # a loaded one does not know yet

    def __len__(self) -> int:
        """The nodes."""
        count, stack = 0, [self.root]
        while stack:
            count += 1
            stack += stack.pop().children.values()
        return count

    @property
    def tested(self) -> bool:
        """Whether there is more to the language than the constraint says."""
        return self.where is not None or self.along is not None

    @property
    def log_mass(self) -> tuple[float, float]:
        """Bounds on log P(language | prompt), within the budget and after the knobs: what was proved so far."""
        return self.root.log_sure - ROUNDING, min(0.0, self.root.log_kept + ROUNDING)

    def state(self, node: Node) -> State:
        """The constraint's state behind a prefix."""
        if node.state is None:
            assert node.parent is not None
            node.state = self.constraint.advance(self.state(node.parent), node.token_id)
        return node.state

    def mask(self, node: Node) -> NDArray[np.int32]:
        """The mask behind a prefix; with one token left, its EOS bits only: whatever else comes is over the budget."""
        mask = self.constraint.mask(self.state(node))
        if node.depth + 1 < self.budget:
            return mask
        last = np.zeros_like(mask)
        for token in self.eos.tolist():
            last[token >> 5] |= mask[token >> 5] & np.array(1 << (token & 31)).astype(np.uint32).view(np.int32)
        return last

    def allowed(self, node: Node) -> NDArray[np.int64]:
        """The ids of the mask, in order."""
        bits = np.unpackbits(self.mask(node).view(np.uint8), bitorder="little")
        return np.flatnonzero(bits[: self.constraint.vocabulary.size])

    def learn(self, node: Node, logps: NDArray[np.float64]) -> None:
        """Fill a new node from the model's row (V,) after the knobs. The bounds above it wait for `update`."""
        allowed = self.allowed(node)
        masses = logps[allowed]
        node.log_z = node.log_rest = log_sum_array(masses)
        ends = allowed[np.isin(allowed, self.eos)]
        node.ends = tuple(zip(ends.tolist(), logps[ends].tolist(), strict=True))
        node.perplexity = _perplexity(masses, node.log_z)
        node.digest = crc32(self.mask(node).tobytes())
        node.known = True

    def rest(self, node: Node, *, beside: Collection[int] | None = None) -> NDArray[np.int64]:
        """The allowed ids that are no children yet, or none of some tokens that were all children once."""
        allowed, taken = self.allowed(node), node.children if beside is None else beside
        return allowed[~np.isin(allowed, list(taken))] if taken else allowed

    def split(self, node: Node, token_id: int, logps: NDArray[np.float64], raws: NDArray[np.float64]) -> Node:
        """A new child for a token of the rest, whose mass is summed anew."""
        done = token_id in self.constraint.vocabulary.eos_token_ids
        state = None if done else self.constraint.advance(self.state(node), token_id)
        child = Node(node, token_id, node.depth + 1, float(logps[token_id]), float(raws[token_id]), state, done)
        if done and not self.tested:
            child.log_sure = 0.0
        node.children[token_id] = child
        node.log_rest = log_sum_array(logps[self.rest(node)])
        return child

    def judge(self, node: Node) -> bool:
        """Whether a prefix passes `along`, and a finished text `where` too, each asked once; what fails is removed."""
        if self.tested and not node.judged:
            node.judged = True
            token_ids = node.token_ids()
            if not self._passes(token_ids[:-1] if node.done else token_ids, done=node.done):
                node.log_kept = -math.inf
            elif node.done:
                node.log_sure = 0.0
        return node.log_kept > -math.inf

    def _passes(self, token_ids: tuple[int, ...], *, done: bool) -> bool:
        if self.along is not None and not self.along(token_ids, done):
            return False
        if self.where is None or not done:
            return True
        text = self.constraint.vocabulary.decode(token_ids).decode("utf-8", "surrogateescape")
        if text not in self._judged:
            self._judged[text] = self.where(text)
        return self._judged[text]

    def update(self, nodes: Iterable[Node]) -> None:
        """Bring the bounds up to date, from some nodes to the root; each node on the way is summed up once."""
        touched: dict[Node, None] = {}
        for node in nodes:
            above: Node | None = node
            while above is not None and above not in touched:
                touched[above] = None
                above = above.parent
        for node in sorted(touched, key=lambda node: -node.depth):
            self.sum_up(node)

    def sum_up(self, node: Node) -> None:
        """The bounds of a node from those of its children."""
        if node.known:
            children = node.children.values()
            node.log_kept = log_sum([node.log_rest, *(child.logp + child.log_kept for child in children)])
            ends = [] if self.tested else [logp for token, logp in node.ends if token not in node.children]
            node.log_sure = log_sum([*ends, *(child.logp + child.log_sure for child in children)])

    def save(self, path: Path | str) -> None:
        """Write it to a file (`store.py`)."""
        from gcd.sampling.aligned.store import save_trie

        save_trie(self, path)

    @staticmethod
    def load(path: Path | str, constraint: Constraint) -> SampleTrie:
        """Read what `save` wrote; raises InvalidTrie for what is none, or is of another constraint.

        >>> out.trie.save("colours.trie")
        >>> trie = gcd.SampleTrie.load("colours.trie", out.trie.constraint)
        """
        from gcd.sampling.aligned.store import load_trie

        return load_trie(path, constraint)


def log_sum_array(values: NDArray[np.float64]) -> float:
    """`log_sum` of an array."""
    top = values.max(initial=-math.inf)
    return float(top if top == -math.inf else top + np.log(np.exp(values - top).sum()))


def _perplexity(masses: NDArray[np.float64], log_z: float) -> float:
    finite = masses[masses > -math.inf] - log_z
    return float(np.exp(-(np.exp(finite) * finite).sum())) if len(finite) else 1.0
