"""LlamaProcessor: masks inside llama-cpp-python, and the vocabulary of a GGUF file as llama.cpp itself spells it.

Place in the walk: Constraint x llama.cpp's loop. A processor is called back from C, where exceptions are lost: so it
raises when it is made, and what goes wrong later leaves only the end of the text. Written to llama-cpp-python 0.3.36.
"""

from __future__ import annotations

import ctypes
import weakref
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from gcd.compile import align_wanted
from gcd.errors import UnsupportedFeature
from gcd.integrations.engine_grammars import EngineRow
from gcd.parse import parse_wanted
from tokenizer_align.vocabulary import Vocabulary

if TYPE_CHECKING:
    from llama_cpp import Llama

__all__ = ["LlamaProcessor", "vocabulary_of_llama"]

_read: weakref.WeakKeyDictionary[Any, Vocabulary] = weakref.WeakKeyDictionary()


class LlamaProcessor:
    """A logits processor for one call: what is wanted is said as in `gcd.generate`.

    >>> llama = llama_cpp.Llama("smollm2.gguf")
    >>> processor = LlamaProcessor(llama, choices=["yes", "no"], max_tokens=8)
    >>> llama("Is water wet? ->", max_tokens=8, logits_processor=[processor])["choices"][0]["text"]
    'yes'

    Of `temperature`, `top_k` and the like, all come after the mask. With `max_tokens`, the same that the call is given,
    the text is led to its end in time; without, llama.cpp cuts it. Raises GrammarError, AlignmentError (BudgetTooSmall
    among them), and UnsupportedFeature for a Llama with a draft model, which does not tell what it has read.
    """

    def __init__(self, llama: Llama, *, max_tokens: int | None = None, **wanted: Any) -> None:
        if llama.draft_model is not None:
            raise UnsupportedFeature("masks do not go with a draft model in llama-cpp-python", hint="Leave it out.")
        constraint = align_wanted(parse_wanted(**wanted), vocabulary_of_llama(llama))
        if max_tokens is not None:
            constraint.check_budget(max_tokens)
        self._row = EngineRow(constraint, budget=max_tokens)
        self._prompt: int | None = None

    def __call__(self, input_ids: NDArray[np.intc], scores: NDArray[np.single]) -> NDArray[np.single]:
        """The scores behind all tokens so far, -inf where the text may not go; the first call ends the prompt."""
        if self._prompt is None:
            self._prompt = len(input_ids)
        mask = self._row.mask(input_ids[self._prompt :].tolist())
        bits = np.unpackbits(mask.view(np.uint8), bitorder="little")[: len(scores)]
        return np.where(bits.astype(bool), scores, np.single(-np.inf))


def vocabulary_of_llama(llama: Llama) -> Vocabulary:
    """The vocabulary of a loaded model: the bytes that llama.cpp writes for each token, and all that end a text."""
    if (found := _read.get(llama)) is not None:
        return found
    import llama_cpp

    vocab, buffer = llama._model.vocab, ctypes.create_string_buffer(4096)
    textless = (
        llama_cpp.LLAMA_TOKEN_ATTR_CONTROL | llama_cpp.LLAMA_TOKEN_ATTR_UNKNOWN | llama_cpp.LLAMA_TOKEN_ATTR_UNUSED
    )
    tokens: list[bytes] = []
    ends: list[int] = []
    special: dict[str, int] = {}
    for token in range(llama.n_vocab()):
        size = llama_cpp.llama_token_to_piece(vocab, token, buffer, len(buffer), 0, True)
        text = buffer.raw[: max(size, 0)]
        is_end = llama_cpp.llama_vocab_is_eog(vocab, token)
        if is_end or llama_cpp.llama_vocab_get_attr(vocab, token) & textless:
            special[text.decode("utf-8", "replace") or f"<|{token}|>"] = token
            text = b""
        if is_end:
            ends.append(token)
        tokens.append(text)
    bos = llama.token_bos()
    found = _read[llama] = Vocabulary(
        tokens, eos_token_ids=ends, special_tokens=special, bos_token_id=bos if bos >= 0 else None
    )
    return found
