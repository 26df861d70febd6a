"""Hugging Face tokenizers to a token table: fast ones by their document, Python ones by their structure.

Place in the walk: beside `extract_json`. transformers is never imported; an object is known by what it has. A fast
tokenizer holds a `tokenizers.Tokenizer`, whose document says all. A Python tokenizer has code instead of a document, so
the rule is read off its parts and then *proved* on a probe text; one that fails the proof is refused.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from tokenizer_align.extract_decoder import refusal
from tokenizer_align.extract_json import TokenTable, describe_added, describe_tokenizer, named, read_document
from tokenizer_align.extract_native import read_sentencepiece

__all__ = ["read_fast", "read_slow"]


def read_fast(tokenizer: Any) -> TokenTable:
    """The token table of a fast tokenizer (`TokenizersBackend`, before transformers 5 `PreTrainedTokenizerFast`)."""
    return _with_declared(tokenizer, read_document(describe_tokenizer(tokenizer.backend_tokenizer)))


def _with_declared(tokenizer: Any, table: TokenTable) -> TokenTable:
    """The table with the special tokens that the wrapper declares (`mask_token`, `extra_special_tokens`, ...)."""
    names = [str(name) for name in tokenizer.all_special_tokens]
    declared = [(name, i) for name in names if (i := _id(tokenizer, name)) is not None]
    special = named([*table.special_tokens.items(), *declared])
    return replace(
        table,
        special_tokens=special,
        eos_token_ids=() if (eos := _id(tokenizer, tokenizer.eos_token)) is None else (eos,),
        bos_token_id=_id(tokenizer, tokenizer.bos_token),
    )


def _id(tokenizer: Any, name: str | None) -> int | None:
    """The id of a declared token; None where it has none, for which transformers gives the unknown token's id."""
    i = None if name is None else tokenizer.convert_tokens_to_ids(name)
    return i if isinstance(i, int) and tokenizer.convert_ids_to_tokens(i) == name else None


def read_slow(tokenizer: Any) -> TokenTable:
    """The token table of a tokenizer written in Python: SentencePiece wrappers, GPT-2's byte alphabet, plain bytes.

    Raises UnsupportedTokenizer for any other, and for one whose tokens do not spell what it decodes.
    """
    kind = type(tokenizer).__name__
    spell, special = _rule(tokenizer)
    added = describe_added(tokenizer.added_tokens_decoder)
    tokens = {i: spelled for piece, i in tokenizer.get_vocab().items() if (spelled := spell(piece)) is not None}
    tokens |= {token["id"]: token["content"].encode() for token in added}
    special = named([*special.items(), *((token["content"], token["id"]) for token in added if token["special"])])
    table = _with_declared(tokenizer, TokenTable(tokens, special))
    _prove(tokenizer, table, kind)
    return table


_PLAIN_BYTES = frozenset({"ByT5Tokenizer", "PerceiverTokenizer"})


def _rule(tokenizer: Any) -> tuple[Callable[[str], bytes | None], Mapping[str, int]]:
    """How a Python tokenizer spells its pieces (None: no text), and the special tokens that only its model knows."""
    alphabet = getattr(tokenizer, "byte_decoder", None)
    if isinstance(alphabet, Mapping):
        return (
            lambda piece: bytes(alphabet[c] for c in piece) if all(c in alphabet for c in piece) else piece.encode(),
            {},
        )
    processor = getattr(tokenizer, "sp_model", None)
    if processor is not None and hasattr(processor, "id_to_piece"):
        table = read_sentencepiece(processor)
        pieces = processor.id_to_piece(list(range(processor.get_piece_size())))
        spelled = {pieces[i]: data for i, data in table.tokens.items()}
        ids = tokenizer.get_vocab()
        return spelled.get, {name: ids[name] for name in table.special_tokens if name in ids}
    if not _PLAIN_BYTES.isdisjoint(c.__name__ for c in type(tokenizer).__mro__):
        return lambda piece: bytes([ord(piece)]) if len(piece) == 1 else None, {}
    reason = "it is written in Python and has neither a SentencePiece model nor a byte alphabet"
    raise refusal(f"the tokenizer {type(tokenizer).__name__}", reason)


_PROBE = 'Ada said: "It costs 12 dollars", {"a": [1, 2]}.'


def _prove(tokenizer: Any, table: TokenTable, kind: str) -> None:
    """Encodes a text and compares the joined bytes with it, or with what the tokenizer itself decodes.

    The text may have been changed by a normalizer, and the decoder may not know byte pieces; one of the two is exact.
    """
    ids = tokenizer.encode(_PROBE, add_special_tokens=False)
    ours = b"".join(table.tokens.get(i, b"") for i in ids if i not in set(table.special_tokens.values()))
    theirs = tokenizer.decode(ids, skip_special_tokens=True, clean_up_tokenization_spaces=False)
    if ours.decode(errors="replace").strip() not in (_PROBE, theirs.strip()):
        raise refusal(f"the tokenizer {kind}", f"its tokens spell {ours!r} where it decodes {theirs!r}")
