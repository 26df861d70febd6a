"""Any tokenizer object to a Vocabulary: the raw bytes of every id, the special ids, the ids that end a text.

Place in the walk: the first step of aligning; everything after it sees the Vocabulary alone. Objects are recognised by
what they offer, so that neither transformers nor torch, tiktoken or sentencepiece is imported here.

| given | read by |
|---|---|
| `pathlib.Path` of a tokenizer.json or of its folder | `extract_json` |
| `tokenizers.Tokenizer` | `extract_json` |
| Hugging Face fast tokenizer, GGUF-embedded ones included (transformers converts them) | `extract_hf` |
| Hugging Face Python tokenizer: SentencePiece, byte alphabet, plain bytes | `extract_hf` |
| `tiktoken.Encoding`, `sentencepiece.SentencePieceProcessor` | `extract_native` |
| `Vocabulary` | itself |

What a path gives is kept on disk (`store`) for the next process. For objects that would gain little: their content must
be read before it can be compared, and loading them takes longer than all the rest.

Refused, with the reason: WordPiece and everything else whose tokens have other bytes in other company.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Hashable, Iterable
from pathlib import Path
from typing import Any

from tokenizer_align.errors import UnsupportedTokenizer
from tokenizer_align.extract_hf import read_fast, read_slow
from tokenizer_align.extract_json import (
    TokenTable,
    describe_decoder,
    describe_tokenizer,
    files_of,
    read_document,
    read_path,
)
from tokenizer_align.extract_native import read_sentencepiece, read_tiktoken
from tokenizer_align.store import stored
from tokenizer_align.vocabulary import Vocabulary

__all__ = ["END_TOKENS", "extract_vocabulary"]

END_TOKENS = (
    "</s>",
    "<eos>",
    "<end_of_turn>",
    "<|endoftext|>",
    "<|end_of_text|>",
    "<|eot_id|>",
    "<|eom_id|>",
    "<|eot|>",
    "<|im_end|>",
    "<|return|>",
    "<|call|>",
    "<|END_OF_TURN_TOKEN|>",
    "<｜end▁of▁sentence｜>",
)
"""Special tokens that end a text or a turn, for tokenizers that do not say which of theirs do."""

_READERS: tuple[tuple[tuple[str, ...], Callable[[Any], TokenTable]], ...] = (
    (("backend_tokenizer", "all_special_ids"), read_fast),
    (("get_added_tokens_decoder", "decoder"), lambda tokenizer: read_document(describe_tokenizer(tokenizer))),
    (("decode_single_token_bytes", "special_tokens_set"), read_tiktoken),
    (("id_to_piece", "is_byte"), read_sentencepiece),
    (("convert_ids_to_tokens", "added_tokens_decoder"), read_slow),
)
"""What an object must have, and who reads it then; the first match decides."""

_ALIVE: weakref.WeakValueDictionary[str, Vocabulary] = weakref.WeakValueDictionary()
"""By content hash: equal vocabularies share their trie and all that is cached beside it."""

_LAST: weakref.WeakKeyDictionary[object, tuple[Hashable, Vocabulary]] = weakref.WeakKeyDictionary()
"""By tokenizer object: its fingerprint (with the other arguments) when it was last read, and what came of it."""


def extract_vocabulary(
    tokenizer: object, *, size: int | None = None, eos_token_ids: Iterable[int] | None = None
) -> Vocabulary:
    """The vocabulary of any supported tokenizer, as `Vocabulary.from_tokenizer` describes.

    `Path("gpt2/tokenizer.json")` gives `Vocabulary(size=50257, eos_token_ids=(50256,), 1 special)`.
    """
    if isinstance(tokenizer, Vocabulary):
        vocabulary = tokenizer if size is None else tokenizer.with_size(size)
        return vocabulary if eos_token_ids is None else vocabulary.with_eos(eos_token_ids)
    ends = None if eos_token_ids is None else tuple(eos_token_ids)
    key = (_fingerprint(tokenizer), size, ends)
    if key[0] is not None and (found := _LAST.get(tokenizer)) is not None and found[0] == key:
        return found[1]
    if isinstance(tokenizer, Path):
        vocabulary = stored(files_of(tokenizer), (size, ends), lambda: _from_table(read_path(tokenizer), size, ends))
    else:
        vocabulary = _from_table(_read(tokenizer), size, ends)
    vocabulary = _ALIVE.setdefault(vocabulary.content_hash, vocabulary)
    if key[0] is not None:
        _LAST[tokenizer] = key, vocabulary
    return vocabulary


def _from_table(table: TokenTable, size: int | None, ends: tuple[int, ...] | None) -> Vocabulary:
    special = table.special_tokens
    eos = table.eos_token_ids if ends is None else ends
    if ends is None and not eos:
        eos = tuple(special[name] for name in END_TOKENS if name in special)
    if ends is None and not eos:
        raise UnsupportedTokenizer(
            f"the tokenizer does not say which token ends a text, and has none of the usual names "
            f"({', '.join(END_TOKENS[:4])}, ...): say it with Vocabulary.from_tokenizer(tokenizer, eos_token_ids=[...])"
        )
    tokens = [b""] * (1 + max(max(table.tokens, default=-1), max(special.values(), default=-1)))
    for i, token in table.tokens.items():
        tokens[i] = token
    return Vocabulary(tokens, eos_token_ids=eos, special_tokens=special, bos_token_id=table.bos_token_id, size=size)


def _fingerprint(tokenizer: Any) -> Hashable | None:
    """What changes with a tokenizer's content, cheaply (1 ms, not 0.25 s); None: read the tokenizer every time.

    A fast tokenizer is mutable (`add_tokens`, a new decoder), so its identity says nothing. Of the model, which only
    `train` replaces, about 512 pieces are compared.
    """
    if hasattr(tokenizer, "decode_single_token_bytes"):  # a tiktoken.Encoding never changes
        return ("tiktoken", tokenizer.n_vocab)
    backend = getattr(tokenizer, "backend_tokenizer", tokenizer)
    if not hasattr(backend, "get_added_tokens_decoder"):
        return None
    size = backend.get_vocab_size(with_added_tokens=False)
    return (
        size,
        tuple(backend.id_to_token(i) for i in range(0, size, max(1, size // 512))),
        tuple((i, token.content, token.special) for i, token in backend.get_added_tokens_decoder().items()),
        str(describe_decoder(backend)),
        tuple(getattr(tokenizer, name, None) for name in ("eos_token", "bos_token")),
        tuple(getattr(tokenizer, "all_special_tokens", ())),
    )


def _read(tokenizer: object) -> TokenTable:
    if isinstance(tokenizer, str):
        raise UnsupportedTokenizer(
            f"the tokenizer is the text {tokenizer!r}: give pathlib.Path({tokenizer!r}) for a file or folder, "
            f"or the object that AutoTokenizer.from_pretrained({tokenizer!r}) returns"
        )
    for names, read in _READERS:
        if all(hasattr(tokenizer, name) for name in names):
            return read(tokenizer)
    kind = type(tokenizer)
    inner = getattr(tokenizer, "tokenizer", None)
    raise UnsupportedTokenizer(
        f"nothing is known of a tokenizer of the type {kind.__module__}.{kind.__qualname__}"
        + (f"; give its .tokenizer (a {type(inner).__name__})" if inner is not None else "")
        + ". Known are Hugging Face tokenizers, tokenizers.Tokenizer, tiktoken.Encoding, SentencePieceProcessor and "
        "the pathlib.Path of a tokenizer.json; or build Vocabulary(tokens, eos_token_ids=[...]) by hand"
    )
