"""Engine: one adapter for each mask engine; the whole of what `bench/maskbench.py` calls of it.

    engine = ENGINES["llguidance"](Path("tokenizers/llama3_1"), [128009])
    compiled = engine.compile({"type": "integer"})   # timed, raises what the engine raises
    matcher = engine.start(compiled)                 # timed for the first mask of a schema, not afterwards
    row = engine.mask(matcher)                       # timed; int32 words, bit t & 31 of word t >> 5 for token t
    engine.commit(matcher, 5018)                     # timed; False when the engine refuses what its mask allowed

Engines run as their documentation has it, through their Python API, with the same ids for EOS. Imports are inside:
a process that measures one engine holds no other.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

Row = NDArray[np.int32]
Schema = dict[str, Any] | bool


class Engine(Protocol):
    packages: tuple[str, ...]
    """The distributions whose versions matter."""
    cold: bool
    """Whether a schema is compiled anew, untimed, for each of its instances."""

    def __init__(self, folder: Path, eos_token_ids: Sequence[int]) -> None:
        """The engine's tables for the tokenizer in a folder."""

    def warm_up(self) -> None:
        """Just-in-time compilation of the engine's own code, for engines that have any."""

    def compile(self, schema: Schema) -> Any: ...

    def start(self, compiled: Any) -> Any: ...

    def mask(self, matcher: Any) -> Row: ...

    def commit(self, matcher: Any, token_id: int) -> bool: ...


class Gcd:
    """This library: `gcd.compile`, then states as values. A mask is a row of the engine's own, not to be written."""

    packages = ("gcd-decoding", "numba", "numpy")
    cold = False

    def __init__(self, folder: Path, eos_token_ids: Sequence[int]) -> None:
        import gcd
        from tokenizer_align.vocabulary import Vocabulary

        self.compiler = gcd.compile
        self.vocabulary = Vocabulary.from_tokenizer(folder, eos_token_ids=eos_token_ids)
        self.nodes = len(self.vocabulary.trie)  # built or read on first use: here, not in the first schema

    def warm_up(self) -> None:
        from tokenizer_align.warm_up import warm_up

        warm_up()

    def compile(self, schema: Schema) -> Any:
        return self.compiler(schema=schema, tokenizer=self.vocabulary)

    def start(self, compiled: Any) -> Any:
        return Cursor(compiled)

    def mask(self, matcher: Any) -> Row:
        return matcher.constraint.mask(matcher.state)

    def commit(self, matcher: Any, token_id: int) -> bool:
        matcher.state = matcher.constraint.advance(matcher.state, token_id)
        return True


class Cursor:
    """The state that a caller of this library would keep in a variable."""

    __slots__ = ("constraint", "state")

    def __init__(self, constraint: Any) -> None:
        self.constraint, self.state = constraint, constraint.start


class GcdCold(Gcd):
    """Nothing is kept from one instance of a schema to the next, `gcd.compile`'s own cache included."""

    cold = True

    def compile(self, schema: Schema) -> Any:
        from grammars.compile import compile_grammar
        from grammars.frontends.json_schema import parse_json_schema
        from tokenizer_align.constraint import align

        return align(compile_grammar(parse_json_schema(schema)), self.vocabulary)


class GcdFill(Gcd):
    """Masks written into an array of the caller's, by `fill_bitmask`."""

    def __init__(self, folder: Path, eos_token_ids: Sequence[int]) -> None:
        super().__init__(folder, eos_token_ids)
        self.bitmask = np.zeros((1, (self.vocabulary.size + 31) // 32), np.int32)

    def mask(self, matcher: Any) -> Row:
        matcher.constraint.fill_bitmask([matcher.state], self.bitmask)
        return self.bitmask[0]


class LLGuidance:
    """llguidance's LLMatcher, copied for every instance of a schema, which keeps the lexer built so far."""

    packages = ("llguidance", "numpy")
    cold = False

    def __init__(self, folder: Path, eos_token_ids: Sequence[int]) -> None:
        from llguidance import LLMatcher
        from llguidance.hf import from_tokenizer
        from llguidance.numpy import allocate_token_bitmask, fill_next_token_bitmask

        self.matcher, self.fill = LLMatcher, fill_next_token_bitmask
        self.tokenizer = from_tokenizer(hugging_face(folder), eos_token=list(eos_token_ids))
        self.bitmask = allocate_token_bitmask(1, self.tokenizer.vocab_size)

    def warm_up(self) -> None:
        pass

    def compile(self, schema: Schema) -> Any:
        matcher = self.matcher(self.tokenizer, self.matcher.grammar_from_json_schema(schema), log_level=0)
        if matcher.is_error():
            raise ValueError(matcher.get_error())
        return matcher

    def start(self, compiled: Any) -> Any:
        return compiled.deep_copy()

    def mask(self, matcher: Any) -> Row:
        self.fill(matcher, self.bitmask, 0)
        if matcher.is_error():
            raise ValueError(matcher.get_error())
        return self.bitmask[0]

    def commit(self, matcher: Any, token_id: int) -> bool:
        return matcher.consume_token(token_id)


class LLGuidanceCold(LLGuidance):
    """A new matcher for every instance."""

    cold = True


class XGrammar:
    """xgrammar with its defaults, but for one thread; its compiler's cache is on, as by default."""

    packages = ("xgrammar", "torch", "numpy")
    cold = False
    options: ClassVar[dict[str, bool]] = {}

    def __init__(self, folder: Path, eos_token_ids: Sequence[int]) -> None:
        import xgrammar

        self.matcher = xgrammar.GrammarMatcher
        info = xgrammar.TokenizerInfo.from_huggingface(hugging_face(folder), stop_token_ids=list(eos_token_ids))
        self.compiler = xgrammar.GrammarCompiler(info, max_threads=1)
        self.bitmask = xgrammar.allocate_token_bitmask(1, info.vocab_size)
        self.row = self.bitmask.numpy()[0]  # the same memory

    def warm_up(self) -> None:
        pass

    def compile(self, schema: Schema) -> Any:
        return self.compiler.compile_json_schema(json.dumps(schema, ensure_ascii=False), **self.options)

    def start(self, compiled: Any) -> Any:
        return self.matcher(compiled)

    def mask(self, matcher: Any) -> Row:
        matcher.fill_next_token_bitmask(self.bitmask, 0)
        return self.row

    def commit(self, matcher: Any, token_id: int) -> bool:
        return matcher.accept_token(token_id)


class XGrammarCompliant(XGrammar):
    """The settings nearest to JSON Schema: objects and arrays are open unless the schema closes them."""

    options: ClassVar[dict[str, bool]] = {"any_whitespace": True, "strict_mode": False}


ENGINES: dict[str, type[Engine]] = {
    "gcd": Gcd,
    "gcd-cold": GcdCold,
    "gcd-fill": GcdFill,
    "llguidance": LLGuidance,
    "llguidance-cold": LLGuidanceCold,
    "xgrammar": XGrammar,
    "xgrammar-compliant": XGrammarCompliant,
}


def hugging_face(folder: Path) -> Any:
    """The tokenizer as transformers reads it, which is what both other engines take."""
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(folder)
