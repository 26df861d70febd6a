"""tokenizer.json to a token table, from the file or from a `tokenizers.Tokenizer`, by the document's own words.

Place in the walk: `extract` asks this module for everything that has such a document, Hugging Face's fast tokenizers
included. The model part says which pieces there are, the decoder part what bytes they spell (`extract_decoder`), the
added tokens which are special. Normalizer, pre-tokenizer and post-processor matter for encoding only and are not read.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeAlias

from tokenizer_align.errors import UnsupportedTokenizer, VocabularyMismatch
from tokenizer_align.extract_decoder import read_decoder, refusal

__all__ = [
    "Document",
    "TokenTable",
    "describe_added",
    "describe_decoder",
    "describe_tokenizer",
    "files_of",
    "named",
    "read_document",
    "read_path",
]

Document: TypeAlias = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class TokenTable:
    """What a tokenizer says of itself: bytes by id, special ids by name, the ends of a text (empty: it names none)."""

    tokens: Mapping[int, bytes]
    special_tokens: Mapping[str, int]
    eos_token_ids: tuple[int, ...] = ()
    bos_token_id: int | None = None


def named(pairs: Iterable[tuple[str, int]]) -> dict[str, int]:
    """Names to ids; raises VocabularyMismatch for a name with two ids."""
    names: dict[str, int] = {}
    for name, i in pairs:
        if names.setdefault(name, i) != i:
            raise VocabularyMismatch(f"the special token {name!r} has two ids, {names[name]} and {i}")
    return names


def read_document(document: Document) -> TokenTable:
    """The token table of a tokenizer.json document; it never says which token ends a text.

    Added tokens that are not special are text: their content, literally. Where the id is also a piece of the model it
    is read as that piece, for the model reaches it by merging (Gemma's `▁▁` is two spaces).

    Raises UnsupportedTokenizer for models and decoders whose tokens have no exact bytes.
    """
    model = document["model"]
    pieces = _pieces(model)
    _check_model(model)
    decode = read_decoder(document.get("decoder"), byte_fallback=bool(model.get("byte_fallback")))
    added = document.get("added_tokens") or []
    special = named((token["content"], token["id"]) for token in added if token["special"])
    unknown = model.get("unk_token")
    if model.get("unk_id") is not None:
        unknown = model["vocab"][model["unk_id"]][0]
    if unknown in pieces:  # stands for any text that the model has no pieces for, so it spells none
        special.setdefault(unknown, pieces[unknown])
    tokens = {i: decode(piece) for piece, i in pieces.items()}
    for token in added:
        content, i = token["content"], token["id"]
        if pieces.get(content) != i:
            tokens[i] = content.encode() if decode.literal_added else decode(content)
    return TokenTable(tokens, special)


def _pieces(model: Document) -> Mapping[str, int]:
    vocab = model.get("vocab")
    if isinstance(vocab, Mapping):
        return vocab
    return {piece: i for i, (piece, _score) in enumerate(vocab or [])}


def _check_model(model: Document) -> None:
    kind = model.get("type", "WordPiece" if "max_input_chars_per_word" in model else "BPE")
    if kind == "WordPiece":
        raise refusal("the model WordPiece", "words are joined with spaces that no token spells, and case may be lost")
    for affix in ("continuing_subword_prefix", "end_of_word_suffix"):
        if model.get(affix):
            raise refusal(
                f"the {kind} model's {affix} {model[affix]!r}", "it stands for a space, or none, by its neighbours"
            )


def describe_tokenizer(tokenizer: Any) -> dict[str, Any]:
    """The parts of a `tokenizers.Tokenizer` that `read_document` reads; its merges, which take a second, are left."""
    kind = type(tokenizer.model).__name__
    if kind == "Unigram":
        model = json.loads(tokenizer.model.__getstate__())
    else:
        model = {"type": kind, "vocab": tokenizer.get_vocab(with_added_tokens=False)}
        names = ("unk_token", "byte_fallback", "continuing_subword_prefix", "end_of_word_suffix")
        model |= {name: getattr(tokenizer.model, name, None) for name in names}
    added = describe_added(tokenizer.get_added_tokens_decoder())
    return {"model": model, "decoder": describe_decoder(tokenizer), "added_tokens": added}


def describe_decoder(tokenizer: Any) -> Any:
    """The decoder of a `tokenizers.Tokenizer` as its tokenizer.json would have it."""
    if tokenizer.decoder is None:
        return None
    try:
        return json.loads(tokenizer.decoder.__getstate__())
    except Exception as error:  # tokenizers raises a bare Exception for decoders written in Python
        raise refusal("the decoder is a Python object", "what it does to a token cannot be read") from error


def describe_added(added_tokens: Mapping[int, Any]) -> list[dict[str, Any]]:
    """Added tokens by id, as `tokenizers` and transformers give them, as the list of a tokenizer.json."""
    return [{"id": i, "content": token.content, "special": token.special} for i, token in added_tokens.items()]


_OTHER_FILES = {
    ".gguf": "load it with transformers: AutoTokenizer.from_pretrained(folder, gguf_file=name)",
    ".model": "load it with sentencepiece: SentencePieceProcessor(model_file=path)",
    ".tiktoken": "load it with tiktoken: Encoding(name, pat_str=..., mergeable_ranks=..., special_tokens=...)",
}


def read_path(path: Path) -> TokenTable:
    """The token table of a tokenizer.json, or of the folder that holds one, with what the files beside it declare.

    EOS and BOS come from tokenizer_config.json and generation_config.json (config.json where that is missing).
    """
    file, *beside = files_of(path)
    document = _load(file)
    if not isinstance(document.get("model"), Mapping):
        raise UnsupportedTokenizer(f'{file} is not a tokenizer.json: it has no "model"')
    config = _load(beside[0])
    generation = _load(beside[1]) or _load(beside[2])
    try:
        document = {**document, "added_tokens": _merge_added(document, config)}
        table = read_document(document)
        ids = {token["content"]: token["id"] for token in document["added_tokens"]} | dict(_pieces(document["model"]))
        eos = _declared(config.get("eos_token"), ids) + _declared(generation.get("eos_token_id"), ids)
        bos = _declared(config.get("bos_token"), ids) + _declared(generation.get("bos_token_id"), ids)
    except (KeyError, TypeError, AttributeError) as error:
        raise UnsupportedTokenizer(f"{file} is not a well-formed tokenizer.json: {error!r}") from error
    return replace(table, eos_token_ids=tuple(eos), bos_token_id=bos[0] if bos else None)


def files_of(path: Path) -> tuple[Path, ...]:
    """All that `read_path` reads, or would read if it were there: the tokenizer.json first."""
    file = _find(path)
    return file, *map(file.with_name, ("tokenizer_config.json", "generation_config.json", "config.json"))


def _find(path: Path) -> Path:
    """The tokenizer.json that `path` is or holds."""
    file = path / "tokenizer.json" if path.is_dir() else path
    if file.is_file() and file.suffix not in _OTHER_FILES:
        return file
    for other in sorted(path.iterdir()) if path.is_dir() else [path]:
        if other.suffix in _OTHER_FILES:
            raise UnsupportedTokenizer(f"{other} is not a tokenizer.json; {_OTHER_FILES[other.suffix]}")
    raise UnsupportedTokenizer(
        f"there is no {file}: give the path of a tokenizer.json, or of the folder that holds one"
    )


def _declared(value: Any, ids: Mapping[str, int]) -> list[int]:
    """The ids that an entry of a configuration names: an id, a token, an object with the token, or a list of those."""
    if isinstance(value, list):
        return [i for item in value for i in _declared(item, ids)]
    content = value.get("content") if isinstance(value, Mapping) else value
    if isinstance(content, str):
        return [ids[content]] if content in ids else []
    return [] if content is None else [int(content)]


def _merge_added(document: Document, config: Document) -> list[Document]:
    """The added tokens of both files; tokenizer_config.json has the last word, as in transformers."""
    added = {token["id"]: token for token in document.get("added_tokens") or []}
    for key, token in (config.get("added_tokens_decoder") or {}).items():
        added[int(key)] = {"id": int(key), "content": token["content"], "special": bool(token.get("special"))}
    return list(added.values())


def _load(file: Path) -> Document:
    """The JSON object in a file; empty when there is no such file."""
    if not file.is_file():
        return {}
    try:
        document = json.loads(file.read_bytes())
    except ValueError as error:
        raise UnsupportedTokenizer(f"{file} is not JSON: {error}") from error
    if not isinstance(document, Mapping):
        raise UnsupportedTokenizer(f"{file} holds no JSON object")
    return document
