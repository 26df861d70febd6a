"""gcd: language models that answer inside a grammar, exactly.

    import gcd
    gen = gcd.generate("smollm2", "Ada Lovelace, 36, London ->", schema=Person)
    gen.value            # Person(name='Ada Lovelace', age=36, city='London')

| name                                           | what it is                                                   |
|------------------------------------------------|--------------------------------------------------------------|
| `generate`, `stream`, `agenerate`, `astream`   | a model and what is wanted -> texts inside the grammar       |
| `Generation`, `Stream`, `AsyncStream`          | what they return                                             |
| `sample`                                       | many texts from the model's own law inside the language      |
| `Sample`, `Samples`, `SampleTrie`              | what it returns, and what it learns                          |
| `next_bytes`, `NextBytes`                      | the law of the next byte, summed over all spellings          |
| `sketch`, `Sketch`                             | a draft from anywhere -> a text of the language near to it   |
| `compile`, `check`                             | what is wanted -> a Constraint for a tokenizer; -> a Report  |
| `tools`, `Tools`, `Call`                       | functions -> calls of them for `schema=`; such a call        |
| `load`                                         | a model by name or path, loaded once                         |
| `library`                                      | a ready-made grammar by name, as text for `grammar=`         |
| `Constraint`, `Vocabulary`                     | the engine's side, for samplers of your own                  |
| `GrammarLogitsProcessor`                       | the masks inside transformers' own `generate`                |
| `fill_bitmask`                                 | the masks of a batch, each row of its own grammar            |
| `apply_bitmask_`                               | masks into logits in place, on CUDA by one kernel            |
| `LanguageModel`, `ScriptedLM`, `TransformersLM`| what a model is; one written down; one of transformers       |
| `DiffusionModel`, `MaskedDiffusionLM`          | the same for models that fill canvases                       |
| `DiffusionGemmaLM`                             | DiffusionGemma, whose canvases have no masks                 |
| `Language`                                     | what is wanted, put together from parts: `+`, `|`, `&`, `~`  |
| `regex`, `choices`, `schema`, `lark`, `gbnf`   | such parts, by what they are written in                      |
| `literal`, `special`, `substring`              | a text, a special token, whatever stands in a document       |
| `capture`                                      | a part that `Generation.captures` has under a name           |
| `containing`, `without`, `until`, `tags`       | free text, by the phrases in it                              |
| `structural_tag`                               | free text with constrained parts, as xgrammar's JSON says it |
| `diffusion`                                    | exact laws of blocks, for diffusion language models          |
| `errors`                                       | everything that this library raises, as one tree             |

Names are looked up on first use: `import gcd` loads neither torch nor numba.
"""

from __future__ import annotations

import importlib
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any


def _check_siblings() -> None:
    """Raise ImportError where another package shadows one of the two that were installed beside this one."""
    here = Path(__file__).resolve().parent.parent
    for name in ("grammars", "tokenizer_align"):
        spec = find_spec(name)
        found = None if spec is None else next(iter(spec.submodule_search_locations or ()), spec.origin)
        if found is None:
            raise ImportError(f"gcd needs the package {name!r} that is installed with it: reinstall gcd-decoding")
        if Path(found).resolve().parent != here:
            raise ImportError(
                f"gcd needs the package {name!r} that lies beside it in {here}, and Python found another one first: "
                f"{found}. Rename that one, or take its folder off sys.path"
            )


_check_siblings()

# `compile`, `generate` and `sample` are modules as well as functions: bound here, before anybody can import the
# modules, the names mean the functions. All three modules are light.
from gcd.compile import check, compile  # noqa: E402
from gcd.generate import agenerate, astream, generate, stream  # noqa: E402
from gcd.sample import sample  # noqa: E402

if TYPE_CHECKING:
    from gcd import diffusion, errors
    from gcd.byte_law import NextBytes, next_bytes
    from gcd.calls import Call, Tools, tools
    from gcd.compile import Report
    from gcd.drafts import Sketch, sketch
    from gcd.generation import AsyncStream, Generation, Stream
    from gcd.integrations.logits_processor import GrammarLogitsProcessor
    from gcd.language import (
        Language,
        capture,
        choices,
        containing,
        gbnf,
        lark,
        literal,
        regex,
        schema,
        special,
        structural_tag,
        substring,
        tags,
        until,
        without,
    )
    from gcd.models.diffusion_gemma import DiffusionGemmaLM
    from gcd.models.load import load
    from gcd.models.masked_diffusion import MaskedDiffusionLM
    from gcd.models.protocols import DiffusionModel, LanguageModel
    from gcd.models.scripted import ScriptedLM
    from gcd.models.transformers_lm import TransformersLM
    from gcd.sample import Sample, Samples
    from gcd.sampling.aligned.trie import SampleTrie
    from gcd.sampling.bitmask import apply_bitmask_
    from grammars.library import library
    from tokenizer_align.batch import fill_bitmask
    from tokenizer_align.constraint import Constraint
    from tokenizer_align.vocabulary import Vocabulary

__all__ = [
    "AsyncStream", "Call", "Constraint", "DiffusionGemmaLM", "DiffusionModel", "Generation", "GrammarLogitsProcessor",
    "Language", "LanguageModel", "MaskedDiffusionLM", "NextBytes", "Report", "Sample", "SampleTrie", "Samples",
    "ScriptedLM", "Sketch", "Stream", "Tools", "TransformersLM", "Vocabulary", "agenerate", "apply_bitmask_", "astream",
    "capture", "check", "choices", "compile", "containing", "diffusion", "errors", "fill_bitmask", "gbnf", "generate",
    "lark", "library", "literal", "load", "next_bytes", "regex", "sample", "schema", "sketch", "special", "stream",
    "structural_tag", "substring", "tags", "tools", "until", "without",
]  # fmt: skip

_LAZY = {
    "AsyncStream": "gcd.generation",
    "Call": "gcd.calls",
    "Constraint": "tokenizer_align.constraint",
    "DiffusionGemmaLM": "gcd.models.diffusion_gemma",
    "DiffusionModel": "gcd.models.protocols",
    "Generation": "gcd.generation",
    "GrammarLogitsProcessor": "gcd.integrations.logits_processor",
    "Language": "gcd.language",
    "LanguageModel": "gcd.models.protocols",
    "MaskedDiffusionLM": "gcd.models.masked_diffusion",
    "NextBytes": "gcd.byte_law",
    "Report": "gcd.compile",
    "Sample": "gcd.sample",
    "SampleTrie": "gcd.sampling.aligned.trie",
    "Samples": "gcd.sample",
    "Sketch": "gcd.drafts",
    "ScriptedLM": "gcd.models.scripted",
    "Stream": "gcd.generation",
    "Tools": "gcd.calls",
    "TransformersLM": "gcd.models.transformers_lm",
    "Vocabulary": "tokenizer_align.vocabulary",
    "apply_bitmask_": "gcd.sampling.bitmask",
    "capture": "gcd.language",
    "choices": "gcd.language",
    "containing": "gcd.language",
    "fill_bitmask": "tokenizer_align.batch",
    "gbnf": "gcd.language",
    "lark": "gcd.language",
    "library": "grammars.library",
    "literal": "gcd.language",
    "load": "gcd.models.load",
    "next_bytes": "gcd.byte_law",
    "regex": "gcd.language",
    "schema": "gcd.language",
    "sketch": "gcd.drafts",
    "special": "gcd.language",
    "structural_tag": "gcd.language",
    "substring": "gcd.language",
    "tags": "gcd.language",
    "tools": "gcd.calls",
    "until": "gcd.language",
    "without": "gcd.language",
}


def __getattr__(name: str) -> Any:
    if name in ("diffusion", "errors"):
        return importlib.import_module(f"gcd.{name}")
    if name not in _LAZY:
        raise AttributeError(f"module 'gcd' has no attribute {name!r}")
    value = globals()[name] = getattr(importlib.import_module(_LAZY[name]), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
