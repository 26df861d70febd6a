"""A grammar backend for SGLang: `python -m sglang.launch_server --model ... --grammar-backend gcd`.

Place in the walk: Constraint x SGLang's scheduler, which keeps an object per request, asks it for masks and tells it
tokens. SGLang finds `register` by this distribution's entry point in the group `sglang.srt.plugins`, in each of its
processes; nothing happens there unless the backend is chosen by name. Written to SGLang 0.5.23.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from sglang.srt.constrained.base_grammar_backend import (
    BaseGrammarBackend,
    BaseGrammarObject,
    InvalidGrammarObject,
    register_grammar_backend,
    register_vocab_mask_buffer,
)

from gcd.errors import AlignmentError, GrammarError
from gcd.integrations.engine_grammars import EngineGrammars
from gcd.sampling.bitmask import apply_bitmask_
from tokenizer_align.matcher import Matcher

__all__ = ["GcdGrammarBackend", "GcdGrammarObject", "register"]

NAME = "gcd"


def register() -> None:
    """Makes `--grammar-backend gcd` known to SGLang; called by it."""
    from sglang.srt.arg_groups.choices import GRAMMAR_BACKEND_CHOICES, add_grammar_backend_choices

    register_grammar_backend(NAME, _create)
    if NAME not in GRAMMAR_BACKEND_CHOICES:
        add_grammar_backend_choices([NAME])


def _create(server_args: Any, tokenizer: Any, vocab_size: int, eos_token_ids: Iterable[int] | None) -> Any:
    if getattr(server_args, "enable_strict_thinking", False):
        raise ValueError("--grammar-backend gcd does not support --enable-strict-thinking: use xgrammar for it")
    if getattr(server_args, "constrained_json_whitespace_pattern", None) is not None:
        raise ValueError("--grammar-backend gcd has no whitespace pattern: --constrained-json-disable-any-whitespace")
    compact = getattr(server_args, "constrained_json_disable_any_whitespace", False)
    return GcdGrammarBackend(
        tokenizer, vocab_size, eos_token_ids or (), **({"whitespace": "compact"} if compact else {})
    )


class GcdGrammarBackend(BaseGrammarBackend):  # type: ignore[misc]
    """Grammars of requests to objects; what is wrong with one is told to its request alone."""

    def __init__(self, tokenizer: object, vocab_size: int, eos_token_ids: Iterable[int] = (), **options: Any) -> None:
        super().__init__()
        self.grammars = EngineGrammars(tokenizer, vocab_size=vocab_size, eos_token_ids=eos_token_ids, **options)

    def initialize_vocab_mask_buffer(self, name: str, vocab_size: int, max_rows: int, device: Any) -> torch.Tensor:
        return register_vocab_mask_buffer(name, _full(max_rows, self.grammars.words), max_rows)  # type: ignore[no-any-return]

    def _dispatch(self, kind: str, text: str) -> Any:
        try:
            return GcdGrammarObject(self.grammars.matcher(kind, text))
        except (GrammarError, AlignmentError) as error:
            return InvalidGrammarObject(str(error))

    def dispatch_json(self, key_string: str) -> Any:
        return self._dispatch("json", key_string)

    def dispatch_regex(self, key_string: str) -> Any:
        return self._dispatch("regex", key_string)

    def dispatch_ebnf(self, key_string: str) -> Any:
        return self._dispatch("ebnf", key_string)

    def dispatch_structural_tag(self, key_string: str) -> Any:
        return self._dispatch("structural_tag", key_string)


class GcdGrammarObject(BaseGrammarObject):  # type: ignore[misc]
    """One request's cursor."""

    def __init__(self, matcher: Matcher) -> None:
        super().__init__()
        self.matcher = matcher

    def accept_token(self, token: int) -> None:
        """Takes a token; what comes behind the end is let be, since SGLang asks for no mask there."""
        if not self.matcher.is_terminated() and not self.matcher.accept_token(token):
            self.matcher.constraint.advance(self.matcher.state, token)  # raises, and says what was allowed

    def rollback(self, k: int) -> None:
        self.matcher.rollback(k)

    def is_terminated(self) -> bool:
        return self.matcher.is_terminated()

    def copy(self) -> GcdGrammarObject:
        return GcdGrammarObject(self.matcher.fork())

    def allocate_vocab_mask(self, vocab_size: int, batch_size: int, device: Any) -> torch.Tensor:
        return _full(batch_size, self.matcher.constraint.words)

    def fill_vocab_mask(self, vocab_mask: torch.Tensor, idx: int) -> None:
        self.matcher.fill_next_token_bitmask(vocab_mask, idx)

    @staticmethod
    def reset_vocab_mask(vocab_mask: torch.Tensor) -> None:
        vocab_mask.fill_(-1)

    @staticmethod
    def move_vocab_mask(vocab_mask: torch.Tensor, device: Any) -> torch.Tensor:
        return vocab_mask.to(device, non_blocking=True)

    @staticmethod
    def apply_vocab_mask(logits: torch.Tensor, vocab_mask: torch.Tensor) -> None:
        apply_bitmask_(logits, vocab_mask)

    def try_jump_forward(self, tokenizer: Any) -> None:
        """None: SGLang decodes every token, which keeps the model's law."""
        return


def _full(rows: int, words: int) -> torch.Tensor:
    """A bitmask that allows everything."""
    return torch.full((rows, words), -1, dtype=torch.int32)
