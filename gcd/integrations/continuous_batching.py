"""constrain_batching: masks inside transformers' continuous batching, a constraint for each request.

Place in the walk: Constraint x `ContinuousBatchingManager`, whose own `logits_processor` arguments are dropped without
a word. The masks are Python's, filled before each step: so steps must not be recorded as CUDA graphs, nor prepared
before the tokens of the last one are known, and a manager that does either is refused. Written to transformers 5.24.
"""

from __future__ import annotations

from typing import Any

import torch
from transformers.generation.continuous_batching.cb_logits_processors import ContinuousBatchingLogitsProcessor

from gcd.errors import UnsupportedFeature
from gcd.integrations.engine_grammars import EngineRow
from gcd.sampling.bitmask import apply_bitmask_
from tokenizer_align.constraint import Constraint

__all__ = ["ConstraintProcessor", "constrain_batching"]


def constrain_batching(manager: Any) -> Any:
    """The manager, which now takes `constraint=` with a request; to be called before it is started.

    >>> manager = constrain_batching(model.init_continuous_batching(generation_config))
    >>> manager.start()
    >>> manager.add_request(tokenizer.encode("Is water wet? ->"), max_new_tokens=8, constraint=constraint)

    A constraint's EOS ids are those that its vocabulary has; texts end within `max_new_tokens`. Raises
    UnsupportedFeature for a manager with CUDA graphs or asynchronous batching (a config with
    `use_cuda_graph=False, use_async_batching=False` has neither), for one that runs, and for a transformers whose
    managers are others.
    """
    hint = "ContinuousBatchingConfig(use_cuda_graph=False, use_async_batching=False) has neither."
    try:
        config, processors, runs = manager.continuous_batching_config, manager.logit_processor, manager.is_running()
        graphs = any(config.cuda_graph_booleans) or config.use_async_batching
        known = processors.tensors_required + len(processors.logits_processor) >= 0
    except AttributeError as error:
        raise UnsupportedFeature(
            f"this is no manager of continuous batching as transformers 5.24 has it: {error}"
        ) from None
    if graphs or not known:
        raise UnsupportedFeature("masks do not go with CUDA graphs or asynchronous batching", hint=hint)
    if runs:
        raise UnsupportedFeature("the manager runs already", hint="Call constrain_batching before manager.start().")
    processor = ConstraintProcessor()
    processors.logits_processor.insert(0, processor)  # before temperature and the like
    processors.tensors_required += 1
    processors.do_processing = True
    processors._retrieve_processors_kwargs()
    return manager


class ConstraintProcessor(ContinuousBatchingLogitsProcessor):
    """Masks by the number of the row; requests without a constraint are not touched."""

    supported_kwargs = {"constraint": Constraint}  # noqa: RUF012  # as transformers has it
    ignored_kwargs = ()

    def __init__(self) -> None:
        self._rows: dict[str, EngineRow] = {}
        self._masks = torch.empty(0, 0, dtype=torch.int32)

    def fill_defaults(self, int32_tensor: torch.Tensor) -> None:
        """-1: a row that is padding."""
        int32_tensor.fill_(-1)

    def prepare_tensor_args(self, requests_with_new_token: list[Any]) -> torch.Tensor:
        """The rows of the next step that have a mask, each by its number; the masks are kept here meanwhile."""
        found: dict[str, EngineRow] = {}
        masks: list[torch.Tensor] = []
        numbers: list[int] = []
        for request in requests_with_new_token:
            state = request.state
            constraint = state.logit_processor_kwargs.get("constraint")
            if constraint is None:
                numbers.append(-1)
                continue
            row = self._rows.get(state.request_id)
            if row is None or row.matcher.constraint is not constraint:
                row = EngineRow(constraint, budget=state.max_new_tokens)
            found[state.request_id] = row
            numbers.append(len(masks))
            masks.append(torch.from_numpy(row.mask(state.generated_tokens).copy()))
        self._rows = found
        width = max(map(len, masks), default=0)
        self._masks = torch.stack(
            [torch.nn.functional.pad(mask, (0, width - len(mask))) for mask in masks] or [torch.empty(0)]
        )
        return torch.tensor(numbers, dtype=torch.int32)

    def __call__(self, scores: torch.Tensor, tensor_arg: torch.Tensor) -> torch.Tensor:
        """The scores, -inf where the constraint of a row does not go."""
        numbers = tensor_arg[: len(scores)].tolist()
        rows = [row for row, number in enumerate(numbers) if number >= 0]
        if rows:
            bitmask = torch.full((len(scores), self._masks.shape[1]), -1, dtype=torch.int32)
            bitmask[rows] = self._masks[[numbers[row] for row in rows]]
            apply_bitmask_(scores, bitmask.to(scores.device), indices=rows)
        return scores
