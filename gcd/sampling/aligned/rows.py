"""Rows: the model's law behind each prefix of a trie, asked for once, in float64 and after the knobs.

Place in the walk: between a model's tree session and `walk`. Logits are remembered as they came, within a bound, so
that what is computed of them twice is equal bit for bit; what was forgotten is asked for again.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray

from gcd.errors import BadLogits
from gcd.sampling.logits import OVERFLOW, REFUSED, Warp, bend, diagnose

if TYPE_CHECKING:
    from gcd.models.protocols import TreeSession
    from gcd.sampling.aligned.trie import Node
    from tokenizer_align.vocabulary import Vocabulary

__all__ = ["BATCH", "Rows"]

MEMORY = 256 << 20
"""Bytes of logits that are remembered: 1,300 prefixes of a vocabulary of 50,000."""


BATCH = 32
"""The prefixes of one pass."""


class Rows:
    """`of(node)` -> log P(. | prefix) after the knobs and under the model alone, both float64 (V,)."""

    def __init__(self, session: TreeSession, warp: Warp, vocabulary: Vocabulary, *, memory: int = MEMORY) -> None:
        self.session, self.asked = session, 0
        self._warp, self._vocabulary, self._memory = warp, vocabulary, memory
        self._kept: OrderedDict[Node, torch.Tensor] = OrderedDict()
        self._bytes = 0

    def of(self, node: Node) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Raises BadLogits for a row that is no distribution."""
        logits = self._logits(node)
        raws = logits.double().log_softmax(dim=-1)
        if self._warp == Warp():
            return raws.numpy(), raws.numpy()
        bent = bend(logits.unsqueeze(0), self._warp)[0]
        return bent.double().log_softmax(dim=-1).numpy(), raws.numpy()

    def has(self, node: Node) -> bool:
        """Whether it is at hand, so that the model need not be asked."""
        return node in self._kept

    def _logits(self, node: Node) -> torch.Tensor:
        """float32 (V,) on the CPU."""
        if node in self._kept:
            self._kept.move_to_end(node)
            return self._kept[node]
        return self._keep(node, self.session.logits(node.token_ids()))

    def fetch(self, nodes: Iterable[Node]) -> None:
        """Ask for rows that are wanted next, several in one pass where the session can; of each as `of` would."""
        many = getattr(self.session, "logits_of", None)
        new = [node for node in dict.fromkeys(nodes) if node not in self._kept]
        if many is None or len(new) < 2:
            for node in new:
                self._logits(node)
            return
        for begin in range(0, len(new), BATCH):
            some = new[begin : begin + BATCH]
            for node, logits in zip(some, many([node.token_ids() for node in some]), strict=True):
                self._keep(node, logits)

    def _keep(self, node: Node, found: torch.Tensor) -> torch.Tensor:
        self.asked += 1
        logits = found.detach().float().cpu()
        if not bool(logits.amax().isfinite()):  # NaN and +inf are carried along
            raise self._bad(node, logits)
        self._kept[node] = logits
        self._bytes += logits.nbytes
        while self._bytes > self._memory and len(self._kept) > 1:
            self._bytes -= self._kept.popitem(last=False)[1].nbytes
        return logits

    def _bad(self, node: Node, logits: torch.Tensor) -> BadLogits:
        text = self._vocabulary.decode(node.token_ids()).decode("utf-8", "replace")
        if bool((logits == -torch.inf).all()):
            return BadLogits(f"are -inf for each of the {len(logits):,} tokens", REFUSED, step=node.depth, text=text)
        problem, hint = diagnose(logits, torch.ones(len(logits), dtype=torch.bool))
        assert hint == OVERFLOW
        return BadLogits(problem, hint, step=node.depth, text=text)
