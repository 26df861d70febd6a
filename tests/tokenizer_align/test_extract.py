"""tokenizer.json, `tokenizers.Tokenizer` and fast tokenizers to a Vocabulary: raw bytes proved on real text."""

from __future__ import annotations

import functools
import json
import unicodedata
from pathlib import Path
from types import SimpleNamespace

import pytest
from data import tokenizer_folder

from tokenizer_align.errors import UnsupportedTokenizer, VocabularyMismatch
from tokenizer_align.extract import extract_vocabulary
from tokenizer_align.extract_decoder import BYTE_ALPHABET, byte_level
from tokenizer_align.vocabulary import Vocabulary

tokenizers = pytest.importorskip("tokenizers")
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers  # noqa: E402

TEXTS = [
    "In 1843 Ada Lovelace published what is now called the first program: a table of 25 operations for a machine that "
    "nobody had built. \"The Analytical Engine\", she wrote, 'weaves algebraic patterns just as the loom does'.\n",
    'def greet(name: str = "wörld"):\n\tprint(f"Hi, {name}!")  # \\o/\r\n\n\n        return {"a": [1, 2.5e-3, None]}\n',
    '{"id": "3f2b", "tags": ["\\u00e9", "\\n", "\\\\"], "price": -0.10, "ok": true, "nested": {"": [[], {}]}}',
    "L’été, l’âme naïve — ça «coûte» 5 €; Größe: 12 µm. Zażółć gęślą jaźń! Þórður. Ђорђе. Ελλάδα. ‏עברית‏ العربية",
    "吾輩は猫である。名前はまだ無い。 我们在路上，한국어도 됩니다。 ไทย हिन्दी বাংলা தமிழ் አማርኛ",
    "👩‍👩‍👧‍👦 👍🏽 🇫🇷 ❤️ 🏴󠁧󠁢󠁥󠁮󠁧󠁿 𝒜𝓭𝓪 𓀀 \U0010fffd \U00040000",
    "e\u0301 o\u0302\u0323 n\u0303 Z\u0361A \u1100\u1161\u11a8 \ufb01 \u212b ½",
    "tabs\t\t\tand\x0b\x0c\r\r\n  two   three    four\u00a0nbsp\u2003em\u3000wide\u200bzero\ufeffbom\u2028line\u0085  ",
    "".join(map(chr, range(0x20))) + "\x7f\x80\x9f\xa0\xad\xff\u0100\ufffd\ufffe\uffff",
    " leading", "\n\nleading", "      ", "a", "",
]  # fmt: skip

NAMES = ["llama3_1", "qwen2_5", "gpt2", "gpt4o", "llama2", "gemma3"]


@functools.cache
def vocabulary_of(name: str) -> Vocabulary:
    return extract_vocabulary(tokenizer_folder(name))


@functools.cache
def loaded(name: str) -> Tokenizer:
    return Tokenizer.from_file(str(tokenizer_folder(name) / "tokenizer.json"))


@pytest.mark.parametrize("name", NAMES)
def test_round_trip(name):
    """The joined raw bytes of a text's tokens are the text's bytes, but for what the normalizer changes: Qwen composes
    (NFC), and Llama 2 puts a space before every text that is not empty."""
    vocabulary, tokenizer = vocabulary_of(name), loaded(name)
    for text in TEXTS:
        normalized = unicodedata.normalize("NFC", text) if name == "qwen2_5" else text
        prefix = " " if name == "llama2" and text else ""
        token_ids = tokenizer.encode(text, add_special_tokens=False).ids
        assert vocabulary.decode(token_ids) == (prefix + normalized).encode()


@pytest.mark.parametrize("name", NAMES)
def test_every_id_decodes_alike(name):
    """Every token, after the token `a`, decodes to its bytes: the tokenizer's own decoder is the second opinion."""
    vocabulary, tokenizer = vocabulary_of(name), loaded(name)
    anchor = tokenizer.token_to_id("a")
    ids = [i for i in range(vocabulary.size) if vocabulary.tokens[i]]
    theirs = tokenizer.decode_batch([[anchor, i] for i in ids], skip_special_tokens=False)
    different = [
        i for i, text in zip(ids, theirs, strict=True) if text != "a" + vocabulary.tokens[i].decode(errors="replace")
    ]
    assert different == []
    silent = {i for i in range(vocabulary.size) if not vocabulary.tokens[i]}
    unused = silent.difference(vocabulary.special_tokens.values())
    assert [i for i in unused if tokenizer.id_to_token(i) is not None] == []


@pytest.mark.parametrize("name", NAMES)
def test_every_byte_is_reachable(name):
    vocabulary = vocabulary_of(name)
    assert vocabulary.missing_bytes == frozenset()
    everything = bytes(range(256)) * 2
    assert vocabulary.decode(vocabulary.greedy(everything)) == everything


@pytest.mark.parametrize(
    ("name", "size", "eos", "bos", "special"),
    [
        ("llama3_1", 128_256, ["<|eot_id|>"], "<|begin_of_text|>", 256),
        ("qwen2_5", 151_665, ["<|im_end|>"], None, 14),
        ("gpt2", 50_257, ["<|endoftext|>"], "<|endoftext|>", 1),
        ("gpt4o", 200_019, ["<|endoftext|>"], "<|endoftext|>", 2),
        ("llama2", 32_000, ["</s>"], "<s>", 3),
        ("gemma3", 262_145, ["<end_of_turn>"], "<bos>", 9),
    ],
)
def test_special_tokens_of_a_folder(name, size, eos, bos, special):
    vocabulary = vocabulary_of(name)
    ids = vocabulary.special_tokens
    assert vocabulary.eos_token_ids == tuple(ids[token] for token in eos)
    assert vocabulary.bos_token_id == (None if bos is None else ids[bos])
    assert (vocabulary.size, len(ids)) == (size, special)
    assert all(vocabulary.tokens[i] == b"" for i in ids.values())


def test_gemma_tells_markup_from_control_tokens():
    """`</s>` is HTML's strike-through there, and runs of `▁` are runs of spaces although they are added tokens."""
    vocabulary = vocabulary_of("gemma3")
    assert [vocabulary.tokens[i] for i in (212, 138, 107, 248, 1)] == [b"</s>", b"  ", b"\n", b"\n", b""]
    assert len({token for token in vocabulary.tokens if token}) == 262_026


def test_qwen_has_added_tokens_that_are_text():
    vocabulary = vocabulary_of("qwen2_5")
    assert vocabulary.tokens[151657] == b"<tool_call>"
    assert "<tool_call>" not in vocabulary.special_tokens


def test_the_object_and_the_file_agree():
    folder = tokenizer_folder("llama2")
    from_file = extract_vocabulary(folder / "tokenizer.json")
    from_object = extract_vocabulary(loaded("llama2"))
    assert from_file.tokens == from_object.tokens
    assert from_file.special_tokens == from_object.special_tokens
    assert from_file is extract_vocabulary(folder)


# --- Small tokenizers, built here -------------------------------------------------------------------------------------


def byte_bpe(*, extra: dict[str, int] | None = None, **model) -> Tokenizer:
    """A byte-level tokenizer of the 256 bytes (ids by byte), ` a` (256) and `<|endoftext|>` (257)."""
    tokenizer = Tokenizer(models.BPE({**BYTE_ALPHABET, "Ġa": 256, **(extra or {})}, [("Ġ", "a")], **model))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens(["<|endoftext|>"])
    return tokenizer


def pieces(*names: str, decoder=None, **model) -> Tokenizer:
    """A SentencePiece-like tokenizer of `<unk>`, `</s>` and the names, from id 2 on."""
    vocab = {name: i for i, name in enumerate(["<unk>", "</s>", *names])}
    tokenizer = Tokenizer(models.BPE(vocab, [], unk_token="<unk>", **model))
    tokenizer.decoder = decoder
    tokenizer.add_special_tokens(["</s>"])
    return tokenizer


LLAMA = [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]


def test_byte_alphabet_is_that_of_tokenizers():
    assert set(BYTE_ALPHABET) == set(pre_tokenizers.ByteLevel.alphabet())
    assert sorted(BYTE_ALPHABET.values()) == list(range(256))
    for byte in range(256):
        encoded = byte_bpe().encode(bytes([byte]).decode("latin-1")).ids
        assert bytes(encoded) == bytes([byte]).decode("latin-1").encode()


@pytest.mark.parametrize(
    ("piece", "data"),
    [("Ġcafé", b" caf\xe9"), ("ĉĊ", b"\t\n"), ("two words", b"two words"), ("Ġ日", "Ġ日".encode()), ("\x00", b"\x00")],
)
def test_byte_level_piece(piece, data):
    assert byte_level(piece) == data


@pytest.mark.parametrize(
    ("decoder", "piece", "data"),
    [
        (decoders.Sequence(LLAMA), "▁a▁b", b" a b"),
        (decoders.Sequence(LLAMA), "<0x0A>", b"\n"),
        (decoders.Sequence(LLAMA), "<0xFF>", b"\xff"),
        (decoders.Sequence(LLAMA), "<0xff>", b"\xff"),
        (decoders.Sequence(LLAMA), "<0xFG>", b"<0xFG>"),
        (decoders.Sequence(LLAMA), "é", b"\xc3\xa9"),
        (decoders.Sequence([decoders.Sequence(LLAMA[:2]), decoders.Fuse()]), "▁", b" "),
        (decoders.Sequence([decoders.ByteFallback(), decoders.Fuse(), decoders.Replace("▁", " ")]), "▁", b" "),
        (decoders.Metaspace(), "▁a", b" a"),
        (decoders.Metaspace(replacement="_"), "_▁", " ▁".encode()),
        (decoders.Metaspace(), "<0x0A>", b"<0x0A>"),
        (decoders.Replace("xy", "z"), "axyb", b"azb"),
        (decoders.ByteFallback(), "▁", "▁".encode()),
        (decoders.ByteLevel(), "Ġa", b" a"),
    ],
)
def test_decoder(decoder, piece, data):
    tokenizer = pieces("X", piece, decoder=decoder)
    assert extract_vocabulary(tokenizer).tokens == (b"", b"", b"X", data)
    assert tokenizer.decode([2, 3], skip_special_tokens=False) == "X" + data.decode(errors="replace")


def test_a_model_with_byte_fallback_means_bytes_whatever_its_decoder():
    tokenizer = pieces("<0x0A>", "▁a", decoder=decoders.Metaspace(), byte_fallback=True)
    assert extract_vocabulary(tokenizer).tokens == (b"", b"", b"\n", b" a")


def test_unigram(tmp_path):
    tokenizer = Tokenizer(models.Unigram([("<unk>", 0.0), ("</s>", 0.0), ("▁a", -1.0), ("<0x0A>", -2.0)], 0, True))
    tokenizer.decoder = decoders.Sequence(LLAMA)
    tokenizer.add_special_tokens(["</s>"])
    vocabulary = extract_vocabulary(tokenizer)
    assert vocabulary.tokens == (b"", b"", b" a", b"\n")
    assert dict(vocabulary.special_tokens) == {"<unk>": 0, "</s>": 1}
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    assert extract_vocabulary(tmp_path) is vocabulary


def test_added_tokens():
    """Not special: text, literally, even in letters of the byte alphabet; special: none; a piece of the model: that."""
    tokenizer = byte_bpe()
    tokenizer.add_tokens([AddedToken(content, special=False) for content in ("café", "two words", "é")])
    tokenizer.add_special_tokens(["<tool>"])
    vocabulary = extract_vocabulary(tokenizer)
    assert vocabulary.tokens[0xE9] == b"\xe9"
    assert vocabulary.tokens[256:] == (b" a", b"", b"caf\xc3\xa9", b"two words", b"")
    assert dict(vocabulary.special_tokens) == {"<|endoftext|>": 257, "<tool>": 260}


def test_the_unknown_token_spells_no_text():
    vocabulary = extract_vocabulary(pieces("a", decoder=decoders.Metaspace()))
    assert dict(vocabulary.special_tokens) == {"<unk>": 0, "</s>": 1}


def test_content_decides_not_identity():
    """The same object gives another vocabulary after a change, and equal objects give the same one."""
    tokenizer = byte_bpe()
    first = extract_vocabulary(tokenizer)
    assert extract_vocabulary(tokenizer) is first
    assert extract_vocabulary(byte_bpe()) is first
    tokenizer.add_tokens(["new"])
    second = extract_vocabulary(tokenizer)
    assert second.tokens == (*first.tokens, b"new")
    assert extract_vocabulary(tokenizer, size=300).size == 300
    assert extract_vocabulary(tokenizer, eos_token_ids=[0]).eos_token_ids == (0,)
    assert extract_vocabulary(tokenizer) is second
    tokenizer.add_special_tokens(["new"])
    assert extract_vocabulary(tokenizer).tokens[-1] == b""
    other = byte_bpe(extra={"Ġb": 257})
    assert extract_vocabulary(other) is not first


def test_ends():
    """What is declared, or the special tokens with usual names, or what the caller says."""
    tokenizer = byte_bpe()
    tokenizer.add_tokens(["</s>"])  # not special: text
    tokenizer.add_special_tokens(["<|im_end|>", "<stop>"])
    assert extract_vocabulary(tokenizer).eos_token_ids == (257, 259)
    assert Vocabulary.from_tokenizer(tokenizer, eos_token_ids=[260]).eos_token_ids == (260,)
    with pytest.raises(VocabularyMismatch, match=r"^no token ends a text: eos_token_ids is empty, "):
        Vocabulary.from_tokenizer(tokenizer, eos_token_ids=[])


def test_size_of_the_model():
    assert Vocabulary.from_tokenizer(byte_bpe(), 320).tokens[258:] == (b"",) * 62
    with pytest.raises(VocabularyMismatch, match=r"^EOS token id 257 is outside the vocabulary of 100 ids "):
        Vocabulary.from_tokenizer(byte_bpe(), 100)


def test_a_vocabulary_is_its_own():
    vocabulary = extract_vocabulary(byte_bpe())
    assert Vocabulary.from_tokenizer(vocabulary) is vocabulary
    assert Vocabulary.from_tokenizer(vocabulary, 300, eos_token_ids=[299]) == vocabulary.with_size(300).with_eos([299])


# --- Files beside a tokenizer.json ------------------------------------------------------------------------------------


def folder(path: Path, **files: object) -> Path:
    """A folder with the tokenizer of `byte_bpe`, three more special tokens, and the given configuration files."""
    tokenizer = byte_bpe()
    tokenizer.add_special_tokens(["<a>", "<b>", "<c>"])
    tokenizer.save(str(path / "tokenizer.json"))
    for name, content in files.items():
        (path / f"{name}.json").write_text(json.dumps(content))
    return path


@pytest.mark.parametrize(
    ("files", "eos", "bos"),
    [
        ({}, (257,), None),
        ({"tokenizer_config": {"eos_token": "<a>", "bos_token": None}}, (258,), None),
        ({"tokenizer_config": {"eos_token": {"content": "<b>", "lstrip": False}, "bos_token": "<a>"}}, (259,), 258),
        ({"tokenizer_config": {"eos_token": "<nowhere>"}}, (257,), None),
        ({"generation_config": {"eos_token_id": 260, "bos_token_id": 258}}, (260,), 258),
        (
            {"tokenizer_config": {"eos_token": "<a>"}, "generation_config": {"eos_token_id": [259, 258]}},
            (258, 259),
            None,
        ),
        ({"config": {"eos_token_id": 259}}, (259,), None),
        ({"generation_config": {"eos_token_id": 258}, "config": {"eos_token_id": 259}}, (258,), None),
    ],
)
def test_files_beside(tmp_path, files, eos, bos):
    vocabulary = extract_vocabulary(folder(tmp_path, **files))
    assert (vocabulary.eos_token_ids, vocabulary.bos_token_id) == (eos, bos)
    assert extract_vocabulary(tmp_path / "tokenizer.json") is vocabulary


def test_tokenizer_config_has_the_last_word_on_added_tokens(tmp_path):
    added = {"258": {"content": "<a>", "special": False}, "261": {"content": "<d>", "special": True}}
    vocabulary = extract_vocabulary(folder(tmp_path, tokenizer_config={"added_tokens_decoder": added}))
    assert vocabulary.tokens[258:] == (b"<a>", b"", b"", b"")
    assert dict(vocabulary.special_tokens) == {"<|endoftext|>": 257, "<b>": 259, "<c>": 260, "<d>": 261}


def test_two_ids_for_one_special_token(tmp_path):
    added = {"300": {"content": "<a>", "special": True}}
    with pytest.raises(VocabularyMismatch) as caught:
        extract_vocabulary(folder(tmp_path, tokenizer_config={"added_tokens_decoder": added}))
    assert str(caught.value) == "the special token '<a>' has two ids, 258 and 300"


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        (
            None,
            "",
            "there is no {path}/tokenizer.json: give the path of a tokenizer.json, or of the folder that holds one",
        ),
        (
            "model.gguf",
            "",
            "{path}/model.gguf is not a tokenizer.json; load it with transformers: "
            "AutoTokenizer.from_pretrained(folder, gguf_file=name)",
        ),
        (
            "tokenizer.model",
            "",
            "{path}/tokenizer.model is not a tokenizer.json; load it with sentencepiece: "
            "SentencePieceProcessor(model_file=path)",
        ),
        (
            "tokenizer.json",
            "{",
            "{path}/tokenizer.json is not JSON: Expecting property name enclosed in double quotes: "
            "line 1 column 2 (char 1)",
        ),
        ("tokenizer.json", "[]", "{path}/tokenizer.json holds no JSON object"),
        ("tokenizer.json", "{}", '{path}/tokenizer.json is not a tokenizer.json: it has no "model"'),
        (
            "tokenizer.json",
            '{"model": {"vocab": {}}, "decoder": {"type": "ByteLevel"}, "added_tokens": [{"id": 1}]}',
            "{path}/tokenizer.json is not a well-formed tokenizer.json: KeyError('special')",
        ),
    ],
)
def test_bad_paths(tmp_path, name, content, message):
    if name is not None:
        (tmp_path / name).write_text(content)
    for path in (tmp_path, tmp_path / (name or "tokenizer.json")):
        with pytest.raises(UnsupportedTokenizer) as caught:
            extract_vocabulary(path)
        assert str(caught.value) == message.format(path=tmp_path)


# --- Refusals ---------------------------------------------------------------------------------------------------------

BY_HAND = (
    ", so its tokens have no exact bytes. If you know the bytes of every token, build "
    "Vocabulary(tokens, eos_token_ids=[...]) by hand"
)


def wordpiece() -> Tokenizer:
    tokenizer = Tokenizer(models.WordPiece({"[UNK]": 0, "a": 1, "##b": 2}, unk_token="[UNK]"))
    tokenizer.decoder = decoders.WordPiece()
    return tokenizer


class Shout:
    """A decoder written in Python."""

    def decode_chain(self, tokens: list[str]) -> list[str]:
        return [token.upper() for token in tokens]


@pytest.mark.parametrize(
    ("tokenizer", "message"),
    [
        (wordpiece(), "the model WordPiece: words are joined with spaces that no token spells, and case may be lost"),
        (
            pieces("a", decoder=decoders.WordPiece()),
            "the decoder WordPiece: WordPiece joins words with spaces that no token spells, and drops some of them "
            "around punctuation",
        ),
        (
            pieces("a", decoder=decoders.BPEDecoder()),
            "the decoder BPEDecoder: it ends words with a suffix that is a space between words and nothing at the end "
            "of the text",
        ),
        (pieces("a", decoder=decoders.CTC()), "the decoder CTC: it merges repeated tokens"),
        (
            pieces("a", decoder=decoders.Strip(" ", 1, 0)),
            "the decoder Strip: it strips the edges of every token, not of the joined text as after Fuse",
        ),
        (
            pieces("a", decoder=decoders.Replace(tokenizers.Regex("a+"), "b")),
            "the decoder step Replace({'Regex': 'a+'}): it may match across tokens",
        ),
        (
            pieces("a", decoder=decoders.Sequence([decoders.Fuse(), decoders.Replace("ab", "c")])),
            "the decoder step Replace({'String': 'ab'}): it may match across tokens",
        ),
        (
            pieces("a", decoder=None),
            "the tokenizer has no decoder: it joins tokens with spaces that no token spells (a byte-level one lacks "
            "`tokenizer.decoder = tokenizers.decoders.ByteLevel()`)",
        ),
        (
            pieces("a", decoder=decoders.Decoder.custom(Shout())),
            "the decoder is a Python object: what it does to a token cannot be read",
        ),
        (
            byte_bpe(end_of_word_suffix="</w>"),
            "the BPE model's end_of_word_suffix '</w>': it stands for a space, or none, by its neighbours",
        ),
    ],
)
def test_refused_tokenizers(tokenizer, message):
    with pytest.raises(UnsupportedTokenizer) as caught:
        extract_vocabulary(tokenizer)
    assert str(caught.value) == message + BY_HAND


def test_refused_decoder_of_the_future(tmp_path):
    path = folder(tmp_path) / "tokenizer.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"decoder": {"type": "Morse"}}))
    with pytest.raises(UnsupportedTokenizer) as caught:
        extract_vocabulary(path)
    assert str(caught.value) == "the decoder Morse: nothing is known of it here" + BY_HAND


KNOWN = (
    ". Known are Hugging Face tokenizers, tokenizers.Tokenizer, tiktoken.Encoding, SentencePieceProcessor and the "
    "pathlib.Path of a tokenizer.json; or build Vocabulary(tokens, eos_token_ids=[...]) by hand"
)


@pytest.mark.parametrize(
    ("tokenizer", "message"),
    [
        (
            "gpt2",
            "the tokenizer is the text 'gpt2': give pathlib.Path('gpt2') for a file or folder, or the object that "
            "AutoTokenizer.from_pretrained('gpt2') returns",
        ),
        (None, "nothing is known of a tokenizer of the type builtins.NoneType" + KNOWN),
        (
            SimpleNamespace(tokenizer=wordpiece()),
            "nothing is known of a tokenizer of the type types.SimpleNamespace; give its .tokenizer (a Tokenizer)"
            + KNOWN,
        ),
        (
            Tokenizer(models.BPE({}, [])),
            "the tokenizer has no decoder: it joins tokens with spaces that no token spells (a byte-level one lacks "
            "`tokenizer.decoder = tokenizers.decoders.ByteLevel()`)" + BY_HAND,
        ),
    ],
)
def test_refused_objects(tokenizer, message):
    with pytest.raises(UnsupportedTokenizer) as caught:
        Vocabulary.from_tokenizer(tokenizer)
    assert str(caught.value) == message


def test_no_known_end():
    tokenizer = Tokenizer(models.BPE({"a": 0}, []))
    tokenizer.decoder = decoders.ByteLevel()
    with pytest.raises(UnsupportedTokenizer) as caught:
        Vocabulary.from_tokenizer(tokenizer)
    assert str(caught.value) == (
        "the tokenizer does not say which token ends a text, and has none of the usual names (</s>, <eos>, "
        "<end_of_turn>, <|endoftext|>, ...): say it with Vocabulary.from_tokenizer(tokenizer, eos_token_ids=[...])"
    )
    assert Vocabulary.from_tokenizer(tokenizer, 2, eos_token_ids=[1]).tokens == (b"a", b"")
