"""Ask: how a request wants its texts drawn, whatever they are to say.

Place in the walk: the body of a request -> **Ask** -> Texts. Knobs that are not known here and would change what is
drawn are refused by name unless they are at rest; other unknown fields are let be.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gcd.sampling.logits import Warp
from gcd.serve.fields import Fields, shown
from gcd.serve.settings import Settings

__all__ = ["Ask", "read_ask", "refuse_unless"]

AT_REST: dict[str, tuple[Any, ...]] = {
    "frequency_penalty": (0,), "presence_penalty": (0,), "repetition_penalty": (1,), "length_penalty": (1,),
    "logit_bias": ({}, []), "min_tokens": (0,), "bad_words": ([],), "stop_token_ids": ([],), "stop_regex": (),
    "ignore_eos": (False,), "use_beam_search": (False,), "typical_p": (1,), "echo": (False,), "suffix": ("",),
    "functions": ([],), "function_call": ("none", "auto"), "modalities": (["text"],), "audio": (), "best_of": (1,),
    "web_search_options": (), "chat_template": (), "continue_final_message": (False,),
    "add_generation_prompt": (True,), "prompt_logprobs": (0,), "lora": (), "lora_request": (), "vllm_xargs": ({},),
    "custom_logit_processor": ("",),
}  # fmt: skip
"""Field that is not supported and would matter -> the values with which it does not."""

MOST_STOPS, MOST_TOP = 16, 20
LARGEST = 1 << 63


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """`top` is how many likeliest tokens are wanted beside each one, None where no log-probabilities are."""

    n: int = 1
    seed: int | None = None
    warp: Warp
    max_tokens: int | None = None
    stops: tuple[str, ...] = ()
    top: int | None = None
    streams: bool = False
    include_usage: bool = False


def refuse_unless(fields: Fields, at_rest: Mapping[str, tuple[Any, ...]]) -> None:
    """Raises RequestError for a field of the table that is not at rest."""
    for name, values in at_rest.items():
        value = fields.any(name)
        if value is not None and not any(
            value == rest and (value is rest or not isinstance(value, bool)) for rest in values
        ):
            raise fields.fail(name, f"is not supported, and not ignored: {shown(value)}", code="unsupported_parameter")


LENGTHS = ("max_tokens", "max_completion_tokens")
"""The names of a text's most tokens; the last one counts where several are given."""


def read_ask(fields: Fields, settings: Settings, *, lengths: Sequence[str] = LENGTHS) -> Ask:
    """The knobs of a request but its log-probabilities, which each endpoint asks for in its own way."""
    refuse_unless(fields, AT_REST)
    temperature = fields.number("temperature", 0)
    top_p = fields.number("top_p", 0, 1)
    if top_p == 0:
        raise fields.fail("top_p", "must be more than 0: temperature 0 takes the likeliest token")
    top_k = fields.integer("top_k", -1, LARGEST)
    warp = Warp(
        temperature=1.0 if temperature is None else temperature,
        top_k=None if top_k in (None, 0, -1) else top_k,
        top_p=top_p,
        min_p=fields.number("min_p", 0, 1),
    )
    seed = fields.integer("seed", -LARGEST, LARGEST - 1)
    streams = fields.flag("stream")
    options = fields.within("stream_options")
    return Ask(
        n=fields.integer("n", 1, settings.max_n) or 1,
        seed=None if seed is None else seed % (1 << 64),
        warp=warp,
        max_tokens=_max_tokens(fields, settings, lengths),
        stops=fields.texts("stop", MOST_STOPS),
        streams=streams,
        include_usage=streams and options is not None and options.flag("include_usage"),
    )


def _max_tokens(fields: Fields, settings: Settings, names: Sequence[str]) -> int | None:
    found = None
    for name in names:
        value = fields.of(int, name)
        if value is None:
            continue
        if value < 1:
            raise fields.fail(name, f"must be at least 1, not {shown(value)}")
        if value > settings.max_tokens:
            raise fields.fail(name, f"is {shown(value)}, and this server allows {settings.max_tokens} tokens a text")
        found = value
    return found
