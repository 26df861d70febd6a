"""constrained: a decoding loop of ours inside transformers' `generate`, for `custom_generate=`.

Place in the walk: inputs and settings as transformers prepares them -> `gcd.generate` -> rows as transformers has them.
Beside `GrammarLogitsProcessor`, which goes with beams, assistants and other processors, texts end within their budget,
and what is forced costs no forward pass. Written to transformers 5.24.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import torch
from transformers import GenerationConfig
from transformers.generation import logits_process, stopping_criteria
from transformers.generation.configuration_utils import GenerationMode

from gcd.errors import UnsupportedFeature

if TYPE_CHECKING:
    from tokenizer_align.constraint import Constraint

__all__ = ["constrained"]

KNOBS = {
    logits_process.TemperatureLogitsWarper: "temperature",
    logits_process.TopKLogitsWarper: "top_k",
    logits_process.TopPLogitsWarper: "top_p",
    logits_process.MinPLogitsWarper: "min_p",
}
"""What transformers makes of a knob -> its name, there and here: both come after the mask, in this order."""
ENDS = (stopping_criteria.MaxLengthCriteria, stopping_criteria.EosTokenCriteria)
INPUTS = {"attention_mask", "position_ids", "cache", "past_key_values", "use_cache", "logits_to_keep"}
RECORDS = ("return_dict_in_generate", "output_scores", "output_logits", "output_attentions", "output_hidden_states")
HINT = "Leave it out, or keep transformers' own loop: logits_processor=[gcd.GrammarLogitsProcessor(constraint)]."


def constrained(
    model: Any,
    input_ids: torch.Tensor,
    logits_processor: Iterable[Any],
    stopping_criteria: Iterable[Any],
    generation_config: GenerationConfig,
    *,
    constraint: Constraint | Sequence[Constraint] | None = None,
    seed: int | None = None,
    **inputs: Any,
) -> torch.Tensor:
    """The rows of `input_ids`, each with a text inside its constraint behind it, and padding (int64, rows × tokens).

    >>> constraint = gcd.compile(choices=["yes", "no"], tokenizer=tokenizer)
    >>> rows = model.generate(**inputs, custom_generate=constrained, constraint=constraint, max_new_tokens=8)
    >>> tokenizer.decode(rows[0, inputs["input_ids"].shape[1] :], skip_special_tokens=True)
    'yes'

    `constraint`: one for all prompts, or one for each. `seed` as in `gcd.generate`; None draws it from torch's own
    generator, so that `transformers.set_seed` holds. Raises what `gcd.generate` raises, and UnsupportedFeature for all
    that would be lost: beams, other processors and criteria, inputs beside text, records of the loop. A `streamer` and
    an `assistant_model` are dropped by transformers itself before they get here.
    """
    import gcd

    if constraint is None:
        raise ValueError("custom_generate=constrained needs constraint=, which gcd.compile returns")
    knobs = _knobs(logits_processor, stopping_criteria, generation_config, inputs)
    mask = inputs.get("attention_mask")
    kept = torch.ones_like(input_ids, dtype=torch.bool) if mask is None else mask.bool()
    prompts = [row[real].tolist() for row, real in zip(input_ids, kept, strict=True)]
    made = gcd.generate(
        gcd.TransformersLM(model),
        prompts,
        constraint=constraint if not isinstance(constraint, Sequence) else _of_rows(constraint, len(prompts)),
        max_new_tokens=int(generation_config.max_length) - input_ids.shape[1],
        seed=int(torch.randint(2**32, ())) if seed is None else seed,
        batch_size=len(prompts),
        **knobs,
    )
    ends = made[0].token_ids[-1]
    padding = ends if generation_config.pad_token_id is None else generation_config.pad_token_id
    texts = [torch.tensor(each.token_ids) for each in made]
    padded = torch.nn.utils.rnn.pad_sequence(texts, batch_first=True, padding_value=padding)
    return torch.cat([input_ids, padded.to(input_ids)], dim=1)


def _knobs(
    processors: Iterable[Any], criteria: Iterable[Any], config: GenerationConfig, inputs: dict[str, Any]
) -> dict[str, Any]:
    """The settings of the draws; raises UnsupportedFeature for what asks for more."""
    mode = config.get_generation_mode()
    if mode not in (GenerationMode.GREEDY_SEARCH, GenerationMode.SAMPLE):
        raise _lost(f"{mode.value.replace('_', ' ')} is another loop")
    knobs: dict[str, Any] = {} if config.do_sample else {"temperature": 0.0}
    for each in processors:
        if type(each) not in KNOBS:
            raise _lost(f"{type(each).__name__} changes scores")
        knobs[KNOBS[type(each)]] = getattr(each, KNOBS[type(each)])
    for each in criteria:
        if not isinstance(each, ENDS):
            raise _lost(f"{type(each).__name__} would cut texts")
    for name in RECORDS:
        if getattr(config, name, None):
            raise _lost(f"{name} asks for what is not kept")
    for name, value in inputs.items():
        if value is not None and name not in INPUTS:
            raise _lost(f"{name} is read by no loop of ours")
    return knobs


def _of_rows(constraints: Sequence[Constraint], rows: int) -> list[Constraint]:
    """The constraint of each row; a prompt's rows stand together."""
    each, left = divmod(rows, max(1, len(constraints)))
    if left or not constraints:
        raise ValueError(f"constraint= is a list of {len(constraints)}, which {rows} rows are no multiple of")
    return [constraint for constraint in constraints for _ in range(each)]


def _lost(what: str) -> UnsupportedFeature:
    return UnsupportedFeature(f"{what}, and does not go with custom_generate=constrained", hint=HINT)
