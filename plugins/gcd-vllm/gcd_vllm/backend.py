"""GcdBackend: vLLM's own `structured_outputs`, `response_format` and tools, enforced by gcd.

vLLM 0.33 has no registry of backends, only names it knows. With `GCD_VLLM_BACKEND=1` in the environment, gcd stands in
for the one named `guidance`: `vllm serve MODEL --structured-outputs-config.backend guidance`. Where vLLM no longer has
the two names that this replaces, it raises rather than let the other backend answer.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from vllm.exceptions import VLLMValidationError
from vllm.v1.structured_output.backend_types import (
    StructuredOutputBackend,
    StructuredOutputGrammar,
    StructuredOutputOptions,
)

from gcd.compile import check_wanted
from gcd.errors import GrammarError
from gcd.integrations.engine_grammars import EngineGrammars, wanted_by_engine

if TYPE_CHECKING:
    from tokenizer_align.matcher import Matcher

__all__ = ["GcdBackend", "GcdGrammar", "install", "install_if_wanted", "validate"]

SWITCH = "GCD_VLLM_BACKEND"


@dataclass
class GcdBackend(StructuredOutputBackend):  # type: ignore[misc]
    """One engine's grammars."""

    def __post_init__(self) -> None:
        settings = self.vllm_config.structured_outputs_config
        options: dict[str, Any] = {"whitespace": "compact"} if settings.disable_any_whitespace else {}
        if settings.disable_additional_properties:
            options["additional_properties"] = False
        self.grammars = EngineGrammars(self.tokenizer, vocab_size=self.vocab_size, **options)

    def compile_grammar(
        self, request_type: StructuredOutputOptions, grammar_spec: str, stop_token_ids: set[int] | None = None
    ) -> GcdGrammar:
        """The grammar of one request; its stop tokens end it, and nothing else does. Raises ValueError."""
        kind = request_type.name.lower()
        return GcdGrammar(self.grammars.matcher(kind, grammar_spec, eos_token_ids=sorted(stop_token_ids or ())))

    def allocate_token_bitmask(self, max_num_seqs: int) -> torch.Tensor:
        return torch.full((max_num_seqs, self.grammars.words), -1, dtype=torch.int32)

    def destroy(self) -> None:
        pass


class GcdGrammar(StructuredOutputGrammar):  # type: ignore[misc]
    """One request's cursor."""

    def __init__(self, matcher: Matcher) -> None:
        self.matcher = matcher

    def accept_tokens(self, request_id: str, tokens: list[int]) -> bool:
        """Takes tokens up to the end of the text; False, and none of them taken, where one is not in the language."""
        before = len(self.matcher.token_ids)
        for token in tokens:
            if self.matcher.is_terminated():
                break
            if not self.matcher.accept_token(token):
                self.matcher.rollback(len(self.matcher.token_ids) - before)
                return False
        return True

    def validate_tokens(self, tokens: list[int]) -> list[int]:
        """The tokens up to the first that is not in the language; padding is none."""
        fork = self.matcher.fork()
        for count, token in enumerate(tokens):
            if not fork.accept_token(token):
                return tokens[:count]
        return tokens

    def rollback(self, num_tokens: int) -> None:
        self.matcher.rollback(num_tokens)

    def fill_bitmask(self, bitmask: torch.Tensor, batch_index: int) -> None:
        self.matcher.fill_next_token_bitmask(bitmask, batch_index)

    def is_terminated(self) -> bool:
        return self.matcher.is_terminated()

    def reset(self) -> None:
        self.matcher.reset()


def validate(sampling_params: Any, tokenizer: object = None) -> None:
    """Raises VLLMValidationError, which is a 400, for what `compile_grammar` would refuse without a tokenizer."""
    from vllm.v1.structured_output.request import get_structured_output_key

    if sampling_params.structured_outputs is None:
        return
    kind, text = get_structured_output_key(sampling_params.structured_outputs)
    try:
        if getattr(sampling_params.structured_outputs, "whitespace_pattern", None) is not None:
            raise VLLMValidationError("whitespace_pattern is not supported; disable_any_whitespace leaves it out")
        error = check_wanted(wanted_by_engine(kind.name.lower(), text))[0].error
    except GrammarError as raised:
        error = raised
    if error is not None:
        raise VLLMValidationError(str(error)) from error


def install() -> None:
    """Puts GcdBackend where vLLM has its backend `guidance`; RuntimeError where that is not as it was in 0.33."""
    from vllm.v1 import structured_output
    from vllm.v1.structured_output import backend_guidance

    for module, name in ((structured_output, "GuidanceBackend"), (backend_guidance, "validate_guidance_grammar")):
        if not hasattr(module, name):
            raise RuntimeError(f"gcd-vllm does not know this vLLM: it has no {module.__name__}.{name}; unset {SWITCH}")
    structured_output.GuidanceBackend = GcdBackend
    backend_guidance.validate_guidance_grammar = validate


def install_if_wanted() -> None:
    """What vLLM calls in each of its processes."""
    if os.environ.get(SWITCH, "") not in ("", "0"):
        install()
