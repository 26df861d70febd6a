"""Small vocabularies and finite languages whose every answer can be counted by hand."""

from __future__ import annotations

from collections.abc import Iterable

from grammars.compile import compile_grammar
from grammars.ir import Bytes, Choice, Grammar
from tokenizer_align.constraint import Constraint, align
from tokenizer_align.vocabulary import Vocabulary

TOKENS = [b"a", b"b", b"ab", b"ba", b"c", b"", b"\xc3", b"\xa9"]
EOS = 5
TOY = Vocabulary(TOKENS, eos_token_ids=[EOS], special_tokens={"<eos>": EOS})


def finite(texts: Iterable[str], vocabulary: Vocabulary = TOY) -> Constraint:
    """The constraint whose language is these texts."""
    return align(compile_grammar(Grammar({"start": Choice(tuple(Bytes(t.encode()) for t in texts))})), vocabulary)


def byte_vocabulary(extra: Iterable[bytes] = ()) -> Vocabulary:
    """Token i is byte i for i < 256, then the extra tokens, then EOS."""
    tokens = [bytes([i]) for i in range(256)] + list(extra)
    return Vocabulary([*tokens, b""], eos_token_ids=[len(tokens)], special_tokens={"<eos>": len(tokens)})
