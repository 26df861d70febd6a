"""LogitsProcessor: masks for the requests that bring arguments of ours, in both of vLLM's model runners.

vLLM's two runners have an interface each, load one group of entry points, and refuse classes of the other: so this is
one class of both. The V1 runner tells which requests stand in which row and shows their output as a list; V2 has rows
per draft token, and the tokens on the device. In both, a mask is a function of the tokens so far (`EngineRow`).

Written to vLLM 0.33.0, driven through the interfaces of both runners with 0.32.0 on CPU.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import torch
from vllm.v1.sample.logits_processor.interface import LogitsProcessor as V1LogitsProcessor
from vllm.v1.sample.logits_processor.interface import MoveDirectionality
from vllm.v1.worker.gpu.sample.logits_processor.interface import LogitsProcessor as V2LogitsProcessor

from gcd.errors import AlignmentError, GrammarError
from gcd.integrations.engine_grammars import EngineGrammars, EngineRow, only
from gcd.sampling.bitmask import apply_bitmask_
from gcd_vllm import arguments

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray
    from vllm import SamplingParams

__all__ = ["LogitsProcessor"]

log = logging.getLogger("vllm.gcd")


class LogitsProcessor(V1LogitsProcessor, V2LogitsProcessor):  # type: ignore[misc]
    """-inf wherever the grammar of a request does not go; requests without arguments of ours are not touched.

    A request whose grammar this vocabulary or its `max_tokens` cannot hold gets an empty text, and a line in the log:
    the parameters were checked where there is no tokenizer.
    """

    def __init__(self, vllm_config: Any, *place: Any) -> None:
        self._config = vllm_config
        self._slots = None if len(place) == 2 else place[0]  # (device, is_pin_memory) of V1, (req_states) of V2
        self._grammars: EngineGrammars | None = None
        self._rows: dict[int, tuple[EngineRow | None, list[int]]] = {}

    @classmethod
    def validate_params(cls, sampling_params: SamplingParams) -> None:
        """Raises ValueError, which is a 400, for arguments of ours that cannot be kept to."""
        arguments.check(sampling_params)

    def is_argmax_invariant(self) -> bool:
        return False

    # -- V1: rows by their index in the batch

    def update_state(self, batch_update: Any) -> None:
        """Follows vLLM's rows: removed, added, moved, in this order."""
        if batch_update is None:
            return
        for index in batch_update.removed:
            self._rows.pop(index, None)
        for index, params, _, output in batch_update.added:
            self._add(index, params, output)
        for one, other, direction in batch_update.moved:
            moved, replaced = self._rows.pop(one, None), self._rows.pop(other, None)
            if moved is not None:
                self._rows[other] = moved
            if replaced is not None and direction == MoveDirectionality.SWAP:
                self._rows[one] = replaced

    def apply(self, logits: torch.Tensor, ctx: Any = None) -> torch.Tensor:
        """Masks the rows of ours in place."""
        if not self._rows:
            return logits
        if ctx is not None:
            return self._apply_v2(logits, ctx)
        return self._masked(logits, {index: self._mask(*row) for index, row in self._rows.items()})

    # -- V2: requests by their slot, several rows each

    def add_request(self, req_idx: int, sampling_params: SamplingParams) -> bool:
        """Whether the request in this slot is one of ours."""
        self._rows.pop(req_idx, None)
        self._add(req_idx, sampling_params, [])
        return req_idx in self._rows

    def _apply_v2(self, logits: torch.Tensor, ctx: Any) -> torch.Tensor:
        if not any(slot in self._rows for slot in ctx.idx_mapping_np.tolist()):
            return logits
        columns = torch.stack([ctx.expanded_idx_mapping, ctx.pos, ctx.input_ids]).to("cpu", torch.int64)
        masks: dict[int, NDArray[Any]] = {}
        for index, (slot, position, token) in enumerate(columns.T.tolist()):
            if slot in self._rows and position >= 0:
                row, tokens = self._rows[slot]
                begin = position - int(self._slots.prompt_len.np[slot])  # of the token that was read, in the output
                if begin < -1:
                    continue  # the prompt is not yet read to its end: what is drawn here is thrown away
                if begin > len(tokens):  # it was taken from the batch and comes back with the tokens it had
                    first = position - begin
                    tokens[:] = self._slots.all_token_ids.gpu[slot, first:position].tolist()
                if begin >= 0:
                    tokens[begin:] = [token]
                masks[index] = self._mask(row, tokens[: begin + 1])
        return self._masked(logits, masks)

    # -- both

    def _add(self, index: int, params: SamplingParams, output: list[int]) -> None:
        self._rows.pop(index, None)
        wanted = arguments.read(params)
        if wanted is None:
            return
        row = None
        try:
            ends = sorted(params.all_stop_token_ids)
            constraint = self._known().constraint(wanted, eos_token_ids=ends)
            if params.max_tokens is not None:
                constraint.check_budget(params.max_tokens)
            row = EngineRow(constraint, budget=params.max_tokens)
        except (GrammarError, AlignmentError) as error:
            log.error("a request gets an empty text, since its %s cannot be enforced: %s", wanted.kind, error)
        self._rows[index] = row, output

    def _known(self) -> EngineGrammars:
        """The tokenizer's grammars, made for the first request of ours."""
        if self._grammars is None:
            from vllm.tokenizers import cached_tokenizer_from_config

            model = self._config.model_config
            self._grammars = EngineGrammars(cached_tokenizer_from_config(model), vocab_size=model.get_vocab_size())
        return self._grammars

    def _mask(self, row: EngineRow | None, tokens: list[int]) -> NDArray[Any]:
        if row is not None and -1 not in tokens[-64:]:
            return row.mask(tokens)
        if row is not None:
            log.error(
                "vLLM hides the tokens of a request: start it with --logits-processors %s:LogitsProcessor", __name__
            )
        vocabulary = self._known().vocabulary
        return only(vocabulary.eos_token_ids, self._known().words)

    def _masked(self, logits: torch.Tensor, masks: dict[int, NDArray[Any]]) -> torch.Tensor:
        """The logits, masked in the rows that have a mask."""
        rows: Iterable[int] = list(masks)
        if rows:
            bitmask = torch.full((len(logits), self._known().words), -1, dtype=torch.int32)
            for index, mask in masks.items():
                bitmask[index, : len(mask)] = torch.from_numpy(mask.copy())
            apply_bitmask_(logits, bitmask.to(logits.device, non_blocking=True), indices=list(rows))
        return logits
