"""compile: what is wanted × tokenizer -> Constraint, and check: what is wanted -> what becomes of it.

Place in the walk: the only road from a user's schema to a Constraint; it joins the front ends, the grammar compiler and
the alignment. Compiled constraints are kept (the 128 last used), by the text of the grammar in its own key order, the
options, and the content of the vocabulary.
"""

from __future__ import annotations

import threading
import weakref
from collections import OrderedDict
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Unpack, cast

from gcd.errors import EmptyLanguage, GrammarError, LimitExceeded, UnsupportedFeature, UnsupportedTokenizer
from gcd.parse import Kind, Wanted, parse_wanted

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from gcd.models.protocols import LanguageModel
    from grammars.automaton import ByteAutomaton
    from grammars.frontends.json_schema import KeywordReport
    from grammars.frontends.schema_options import SchemaOptions
    from tokenizer_align.constraint import Constraint
    from tokenizer_align.vocabulary import Vocabulary

__all__ = ["Report", "align_wanted", "check", "check_wanted", "compile", "vocabulary_of", "wanted_of"]

KEPT = 128
"""How many compiled constraints are remembered."""

_compiled: OrderedDict[tuple[object, ...], tuple[Wanted, Constraint]] = OrderedDict()
_wanted: weakref.WeakKeyDictionary[Constraint, Wanted] = weakref.WeakKeyDictionary()
_lock = threading.Lock()


def compile(
    *,
    schema: object = None,
    regex: object = None,
    grammar: object = None,
    choices: object = None,
    tokenizer: object,
    eos_token_ids: Iterable[int] = (),
    import_root: Path | None = None,
    **options: Unpack[SchemaOptions],
) -> Constraint:
    """The Constraint of exactly one of `schema`, `regex`, `grammar`, `choices` over a tokenizer's vocabulary.

    `tokenizer`: whatever `Vocabulary.from_tokenizer` takes, a Vocabulary, or a model from `gcd.load`. `eos_token_ids`
    are added to the tokenizer's own. `import_root` is the folder under which a Lark grammar may import files; such
    grammars are compiled anew each time. The options are those of `gcd.generate` for schemas: `whitespace`,
    `key_order`, `formats`, `additional_properties`, `approximate`, `schemas`, `strings`, `integers`, `digits`.

    >>> constraint = gcd.compile(choices=["yes", "no"], tokenizer=tokenizer)
    >>> constraint.min_tokens_to_end(constraint.start)
    1

    Raises GrammarError (invalid, unsupported, empty, too large) and AlignmentError.
    """
    wanted = parse_wanted(
        schema=schema, regex=regex, grammar=grammar, choices=choices, import_root=import_root, **options
    )
    return align_wanted(wanted, vocabulary_of(tokenizer, eos_token_ids=eos_token_ids))


def align_wanted(wanted: Wanted, vocabulary: Vocabulary) -> Constraint:
    """The Constraint of what is wanted over a vocabulary, compiled once."""
    key = (wanted.key, vocabulary.content_hash)
    with _lock:
        if key in _compiled:
            _compiled.move_to_end(key)
            return _compiled[key][1]
    from grammars.collection import collection_paused
    from grammars.compile import compile_grammar
    from tokenizer_align.constraint import align

    with collection_paused():
        constraint = align(compile_grammar((wanted.to_lazy or wanted.to_grammar)()), vocabulary)
    with _lock:
        _, constraint = _compiled.setdefault(key, (wanted, constraint))
        _wanted[constraint] = wanted
        while len(_compiled) > KEPT:
            _compiled.popitem(last=False)
    return constraint


def wanted_of(constraint: Constraint) -> Wanted | None:
    """What `compile` was asked for when it made this constraint; None for one that was aligned by hand or unpickled."""
    return _wanted.get(constraint)


def vocabulary_of(
    tokenizer: object, *, model: LanguageModel | None = None, eos_token_ids: Iterable[int] = ()
) -> Vocabulary:
    """The Vocabulary of a tokenizer, as wide as the logits of `model`, with every EOS id that either knows.

    A LanguageModel given as the tokenizer stands for itself and its own tokenizer. Raises UnsupportedTokenizer.
    """
    from gcd.models.protocols import is_diffusion
    from tokenizer_align.vocabulary import Vocabulary

    is_vocabulary = isinstance(tokenizer, Vocabulary)
    if model is None and not is_vocabulary and (hasattr(tokenizer, "next_logits") or is_diffusion(tokenizer)):
        model = cast("LanguageModel", tokenizer)
        tokenizer = getattr(model, "tokenizer", None)
    if tokenizer is None:
        raise UnsupportedTokenizer("no tokenizer was given: pass tokenizer=, or a Vocabulary by hand")
    if isinstance(tokenizer, Vocabulary):
        vocabulary = tokenizer
    else:
        vocabulary = Vocabulary.from_tokenizer(tokenizer, size=None if model is None else model.vocab_size)
    ends = (*eos_token_ids, *(() if model is None else model.eos_token_ids))
    return _with_eos(vocabulary, ends) if ends else vocabulary


@lru_cache(maxsize=8)
def _with_eos(vocabulary: Vocabulary, eos_token_ids: tuple[int, ...]) -> Vocabulary:
    """Kept, because a new Vocabulary builds a new trie."""
    return vocabulary.with_eos(eos_token_ids)


@dataclass(frozen=True, slots=True)
class Report:
    """What becomes of a schema, regex, grammar or choices here.

    `error` is what `compile` would raise, None if it is well-formed, supported and not empty. `keywords` tells, for a
    schema, what is done with each keyword: enforced, refused, or an annotation; `widened` what of it is left out.
    """

    kind: Kind
    error: GrammarError | None
    keywords: KeywordReport | None = None
    widened: tuple[GrammarError, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether a Constraint can be made of it."""
        return self.error is None


def check(
    *,
    schema: object = None,
    regex: object = None,
    grammar: object = None,
    choices: object = None,
    import_root: Path | None = None,
    **options: Unpack[SchemaOptions],
) -> Report:
    """What becomes of exactly one of `schema`, `regex`, `grammar`, `choices`, without a tokenizer.

    Errors in the grammar are reported and not raised, those of Python types among them; what is no schema, regex,
    grammar or list of choices at all is raised, as by `compile`. The options are those of `compile`.

    >>> gcd.check(regex="[a-z]+").ok, gcd.check(regex="(").ok
    (True, False)
    """
    try:
        wanted = parse_wanted(
            schema=schema, regex=regex, grammar=grammar, choices=choices, import_root=import_root, **options
        )
    except (UnsupportedFeature, EmptyLanguage, LimitExceeded) as error:  # of a schema or a type, which is read at once
        return Report("schema", error)
    return check_wanted(wanted)[0]


def check_wanted(wanted: Wanted) -> tuple[Report, ByteAutomaton | None]:
    """What becomes of what is wanted, and its automaton where it has one."""
    from grammars.compile import compile_grammar

    keywords = None
    try:
        if wanted.schema is not None:
            from grammars.frontends.json_schema import check_json_schema

            options = wanted.options
            keywords = check_json_schema(
                wanted.schema, formats=options.get("formats", True), schemas=options.get("schemas")
            )
        automaton = compile_grammar(wanted.to_grammar())
    except GrammarError as error:
        return Report(wanted.kind, error, keywords), None
    return Report(wanted.kind, None, keywords, automaton.widened), automaton
