"""Piece decoder: how the decoder of a `tokenizer.json` turns one piece of its vocabulary into raw bytes.

Place in the walk: `extract_json` reads the document, this module its "decoder" part, token by token. Three families
make up nearly all language models, and all of them give every piece bytes of its own:

| decoder | piece to bytes | models |
|---|---|---|
| ByteLevel | each character stands for a byte: `Ġ` is b" " | GPT-2, Llama 3, Qwen |
| Sequence[Replace ▁, ByteFallback, Fuse, Strip] | `▁` is b" ", `<0x0A>` is b"\\n", else UTF-8 | Llama 2, Gemma |
| Metaspace | `▁` is b" ", else UTF-8 | T5, XLM-R |

Steps that touch only the edge of a whole text (`Strip` after `Fuse`, Metaspace's first space) leave a piece as it is.
Steps whose result depends on the neighbours are refused by name: there a token has no bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from tokenizer_align.errors import UnsupportedTokenizer

__all__ = ["BYTE_ALPHABET", "PieceDecoder", "byte_level", "fallback_byte", "read_decoder"]

Step: TypeAlias = Callable[[str], "str | bytes"]
"""One decoder step on one piece: text stays text until a step knows its bytes."""


def _byte_alphabet() -> dict[str, int]:
    """GPT-2's character for each byte: printable Latin-1 stands for itself, the other 68 bytes are U+0100 onwards.

    >>> _byte_alphabet()["Ġ"]
    32
    """
    printable = {*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)}
    others = [b for b in range(256) if b not in printable]
    return {chr(b): b for b in printable} | {chr(256 + n): b for n, b in enumerate(others)}


BYTE_ALPHABET: Mapping[str, int] = _byte_alphabet()


class _ByteTable(dict[int, int]):
    """Code point to byte, for `str.translate`; what the alphabet lacks becomes a character that Latin-1 lacks."""

    def __missing__(self, code: int) -> int:
        return 0xFFFF


_BYTE_TABLE = _ByteTable({ord(char): byte for char, byte in BYTE_ALPHABET.items()})


def byte_level(piece: str) -> bytes:
    """The bytes of a piece in GPT-2's alphabet; a piece with any other character is literal text, as in `tokenizers`.

    >>> byte_level("Ġcafé"), byte_level("two words")
    (b' caf\\xe9', b'two words')
    """
    try:
        return piece.translate(_BYTE_TABLE).encode("latin-1")
    except UnicodeEncodeError:
        return piece.encode()


_HEX = "0123456789ABCDEFabcdef"
_FALLBACK = {f"<0x{high}{low}>": bytes.fromhex(high + low) for high in _HEX for low in _HEX}


def fallback_byte(piece: str) -> str | bytes:
    """The byte that a SentencePiece byte token stands for; any other piece unchanged.

    >>> fallback_byte("<0x0A>"), fallback_byte("a")
    (b'\\n', 'a')
    """
    return _FALLBACK.get(piece, piece)


def replace(old: str, new: str) -> Step:
    """The step that writes `new` for `old`."""
    return lambda piece: piece.replace(old, new)


@dataclass(frozen=True, slots=True)
class PieceDecoder:
    """Pieces to bytes, by the steps of one decoder. `literal_added`: added tokens are text, not in the byte alphabet.

    >>> PieceDecoder((replace("▁", " "), fallback_byte))("▁a")
    b' a'
    """

    steps: tuple[Step, ...]
    literal_added: bool = False

    def __call__(self, piece: str) -> bytes:
        value: str | bytes = piece
        for step in self.steps:
            if isinstance(value, bytes):
                return value
            value = step(value)
        return value if isinstance(value, bytes) else value.encode()


Document: TypeAlias = Mapping[str, object]

_BY_HAND = "If you know the bytes of every token, build Vocabulary(tokens, eos_token_ids=[...]) by hand"

_REFUSED = {
    "WordPiece": "WordPiece joins words with spaces that no token spells, and drops some of them around punctuation",
    "BPEDecoder": "it ends words with a suffix that is a space between words and nothing at the end of the text",
    "CTC": "it merges repeated tokens",
    "Strip": "it strips the edges of every token, not of the joined text as after Fuse",
}


def refusal(what: str, reason: str) -> UnsupportedTokenizer:
    """The error that names what in a tokenizer is refused, says why, and shows the way out."""
    return UnsupportedTokenizer(f"{what}: {reason}, so its tokens have no exact bytes. {_BY_HAND}")


def read_decoder(decoder: Document | None, *, byte_fallback: bool) -> PieceDecoder:
    """The piece decoder of the "decoder" object of a tokenizer.json.

    `byte_fallback` is the model's own flag: such a model writes `<0x0A>` for a newline whatever its decoder says.

    Raises UnsupportedTokenizer for decoders that give a piece other bytes in other company, and for unknown ones.
    """
    if decoder is None:
        raise refusal(
            "the tokenizer has no decoder",
            "it joins tokens with spaces that no token spells (a byte-level one lacks "
            "`tokenizer.decoder = tokenizers.decoders.ByteLevel()`)",
        )
    chain = _flatten(decoder)
    names = [str(step.get("type")) for step in chain]
    fused = names.index("Fuse") if "Fuse" in names else len(names)
    steps = [made for i, step in enumerate(chain) if (made := _step(step, names[i], is_fused=i > fused)) is not None]
    if byte_fallback and "ByteFallback" not in names:
        steps.insert(0, fallback_byte)
    return PieceDecoder(tuple(steps), literal_added="ByteLevel" in names)


def _flatten(decoder: Document) -> list[Document]:
    if decoder.get("type") != "Sequence":
        return [decoder]
    parts = decoder.get("decoders")
    assert isinstance(parts, Sequence)
    return [step for part in parts for step in _flatten(part)]


def _step(step: Document, name: str, *, is_fused: bool) -> Step | None:
    """What the step does to one piece, None for nothing; `is_fused`: it sees the whole text at once."""
    if name == "ByteLevel":  # each character is a byte, so the joined text decodes as its pieces do
        return byte_level
    if name == "ByteFallback" and not is_fused:
        return fallback_byte
    if name == "Fuse" or (name == "Strip" and is_fused):
        return None
    if name == "Metaspace":
        return replace(str(step.get("replacement", "▁")), " ")
    if name == "Replace":
        pattern, content = step.get("pattern"), str(step.get("content"))
        old = pattern.get("String") if isinstance(pattern, Mapping) else None
        if isinstance(old, str) and (len(old) == 1 or (old and not is_fused)):
            return replace(old, content)
        raise refusal(f"the decoder step Replace({pattern!r})", "it may match across tokens")
    reason = _REFUSED.get(name, "nothing is known of it here" if not is_fused else "it works on the joined text")
    raise refusal(f"the decoder {name}", reason)
