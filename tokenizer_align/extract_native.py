"""tiktoken and SentencePiece to a token table, through their public interfaces.

Place in the walk: beside `extract_json`, for the two libraries that have no tokenizer.json. Neither is imported here:
an object is asked only for what its class offers.
"""

from __future__ import annotations

from typing import Any

from tokenizer_align.extract_decoder import fallback_byte
from tokenizer_align.extract_json import TokenTable, named

__all__ = ["read_sentencepiece", "read_tiktoken"]


def read_tiktoken(encoding: Any) -> TokenTable:
    """The token table of a `tiktoken.Encoding`; its ranks are the ids, and may have holes."""
    special = {name: encoding.encode_single_token(name) for name in encoding.special_tokens_set}
    tokens = {}
    for i in sorted(set(range(encoding.n_vocab)).difference(special.values())):
        try:
            tokens[i] = encoding.decode_single_token_bytes(i)
        except KeyError:  # a hole: o200k_base has 18 of them before <|endofprompt|>
            continue
    return TokenTable(tokens, special)


def read_sentencepiece(processor: Any) -> TokenTable:
    """The token table of a `SentencePieceProcessor`, from its pieces: `decode` strips spaces and cannot show part of a
    character. `▁` is a space; control and unknown pieces are special; unused pieces spell nothing.
    """
    ids = list(range(processor.get_piece_size()))
    pieces = processor.id_to_piece(ids) if ids else []
    is_byte, is_unused = processor.is_byte, processor.is_unused
    is_special = [processor.is_control(i) or processor.is_unknown(i) for i in ids]
    special = named((piece, i) for i, piece in enumerate(pieces) if is_special[i])
    tokens = {}
    for i, piece in enumerate(pieces):
        if is_special[i] or is_unused(i):
            continue
        value = fallback_byte(piece) if is_byte(i) else piece.replace("▁", " ")
        tokens[i] = value if isinstance(value, bytes) else value.encode()
    eos, bos = processor.eos_id(), processor.bos_id()  # -1 where the model has none
    return TokenTable(tokens, special, (eos,) if eos >= 0 else (), bos if bos >= 0 else None)
