"""Source -> Verdict: what `gcd.check` reports of a source, whether a text is in its language, and both in words.

No tokenizer and no model. What becomes of a grammar is decided in `gcd.compile`; here it gets words.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gcd.cli.sources import Source
from gcd.errors import (
    EmptyLanguage,
    GrammarError,
    InvalidGrammar,
    LimitExceeded,
    Span,
    UnsupportedFeature,
    ValidationFailed,
)
from grammars.errors import place_of

if TYPE_CHECKING:
    from gcd.compile import Report
    from gcd.parse import Wanted
    from grammars.automaton import ByteAutomaton
    from grammars.frontends.json_schema import KeywordUse
    from grammars.ir import Grammar
    from grammars.lint import Finding

__all__ = ["Asked", "Instance", "Verdict", "examine", "match"]

WORDS: dict[type[GrammarError], str] = {
    InvalidGrammar: "wrong",
    UnsupportedFeature: "unsupported",
    EmptyLanguage: "empty",
    LimitExceeded: "too large",
}


@dataclass(frozen=True, slots=True)
class Instance:
    """A text and whether it is in the language: `offset` says how many bytes of it go, `allowed` what could follow.

    `errors` is for a text that is in the language and that something stricter refuses: a validator of the type.
    """

    name: str
    data: bytes
    match: bool
    offset: int
    allowed: str
    errors: tuple[str, ...] = ()

    def __str__(self) -> str:
        if self.match:
            return f"{self.name}: match"
        if self.errors:
            return "\n".join([f"{self.name}: no match, in the language but not valid:", *self.errors])
        if self.offset == len(self.data):
            return f"{self.name}: no match, it ends too early\nexpected {self.allowed}"
        text = self.data.decode("utf-8", errors="replace")
        start = len(self.data[: self.offset].decode("utf-8", errors="replace"))
        span = Span(text, start, start + 1)
        where = f"byte {self.offset} (line {span.line}, column {span.column})"
        return f"{self.name}: no match, it stops at {where}\n{span.draw()}\nexpected {self.allowed}"

    def to_json(self) -> dict[str, object]:
        return {
            "name": self.name,
            "match": self.match,
            "offset": self.offset,
            "allowed": self.allowed,
            "errors": list(self.errors),
        }


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of one source, and of the instance and the instances where there are some and the source is fine.

    `findings` are what is right in it and was hardly meant; `statistics` its size, where that was asked for. `mismatch`
    says why a tokenizer cannot write its texts.
    """

    source: Source
    report: Report
    instance: Instance | None = None
    instances: tuple[Instance, ...] | None = None
    findings: tuple[Finding, ...] = ()
    statistics: Mapping[str, int] | None = None
    mismatch: str | None = None

    @property
    def error(self) -> GrammarError | None:
        """What is wrong with the source."""
        return self.report.error

    @property
    def uses(self) -> tuple[KeywordUse, ...]:
        """What becomes of each keyword of a JSON Schema."""
        return () if self.report.keywords is None else self.report.keywords.uses

    @property
    def word(self) -> str:
        """`ok`, `wrong`, `unsupported`, `empty` or `too large`."""
        return "ok" if self.error is None else WORDS.get(type(self.error), "wrong")

    def __str__(self) -> str:
        if self.error is None:
            left_out = [f"left out, and checked in the finished value only: {e.headline}" for e in self.report.widened]
            found = [f"{self.source.name}: {finding.kind}: {finding}" for finding in self.findings]
            unwritten = (
                [] if self.mismatch is None else [f"{self.source.name}: not with this tokenizer: {self.mismatch}"]
            )
            return "\n".join([f"{self.source.name}: ok", *left_out, *found, *unwritten])
        others = [use for use in self.uses if use.status == "refused" and use.pointer != self.error.pointer]
        also = [f"also unsupported: {use.keyword} (at {place_of(use.pointer)})" for use in others]
        return "\n".join([f"{self.source.name}: {self.word}: {self.error}", *also])

    def to_json(self) -> dict[str, object]:
        error: dict[str, Any] | None = None
        if self.error is not None:
            span = self.error.span
            error = {
                "message": self.error.message,
                "pointer": self.error.pointer,
                "line": span.line if span else None,
                "column": span.column if span else None,
                "hint": self.error.hint,
            }
        return {
            "source": self.source.name,
            "kind": self.source.kind,
            "verdict": self.word,
            "error": error,
            "widened": [e.headline for e in self.report.widened],
            "keywords": [
                {"pointer": use.pointer, "keyword": use.keyword, "status": use.status, "reason": use.reason}
                for use in self.uses
            ],
            "instance": self.instance.to_json() if self.instance else None,
            "instances": None if self.instances is None else [one.to_json() for one in self.instances],
            "findings": [
                {
                    "kind": finding.kind,
                    "message": finding.message,
                    "line": finding.span.line if finding.span else None,
                    "column": finding.span.column if finding.span else None,
                }
                for finding in self.findings
            ],
            "statistics": None if self.statistics is None else dict(self.statistics),
            "mismatch": self.mismatch,
        }


@dataclass(frozen=True, slots=True)
class Asked:
    """What is asked of each source beside whether it can be used.

    An instance with its name; instances with theirs; a tokenizer; whether to look for what takes time, for so long and
    in so many states.
    """

    instance: tuple[str, bytes] | None = None
    instances: tuple[tuple[str, bytes], ...] | None = None
    tokenizer: str | None = None
    verbose: bool = False
    seconds: float = 0.5
    states: int = 20_000


def examine(source: Source, asked: Asked) -> Verdict:
    """The verdict on a source, and on what is asked of it."""
    from gcd.compile import Report, check_wanted
    from gcd.parse import parse_wanted

    try:
        wanted = parse_wanted(**source.keywords)
    except GrammarError as error:  # a Python type that has no language
        return Verdict(source, Report(source.kind, error))
    report, automaton = check_wanted(wanted)
    if automaton is None:
        return Verdict(source, report)
    findings, statistics = look_at(automaton.source, asked) if source.kind == "grammar" else ((), None)
    return Verdict(
        source,
        report,
        None if asked.instance is None else match(automaton, wanted.to_value, *asked.instance),
        None
        if asked.instances is None
        else tuple([match(automaton, wanted.to_value, *instance) for instance in asked.instances]),
        findings,
        statistics,
        None if asked.tokenizer is None else mismatch(wanted, asked.tokenizer),
    )


def look_at(grammar: Grammar, asked: Asked) -> tuple[tuple[Finding, ...], dict[str, int] | None]:
    """What a grammar's author may want to know, and its size."""
    from grammars.lint import lint, search, statistics

    found = lint(grammar)
    if not asked.verbose:
        return tuple(found), None
    return (*found, *search(grammar, seconds=asked.seconds, states=asked.states)), statistics(grammar)


def mismatch(wanted: Wanted, tokenizer: str) -> str | None:
    """Why a tokenizer cannot write the texts that are wanted; raises what is wrong with the tokenizer itself."""
    from gcd.compile import align_wanted, vocabulary_of
    from gcd.errors import VocabularyMismatch

    vocabulary = vocabulary_of(Path(tokenizer))
    try:
        align_wanted(wanted, vocabulary)
    except VocabularyMismatch as error:
        return str(error)
    return None


def match(automaton: ByteAutomaton, to_value: Any, name: str, data: bytes) -> Instance:
    """Whether the bytes are in the language, and if so whether they also pass what the automaton does not hold."""
    explanation = automaton.explain(data)
    errors: tuple[str, ...] = ()
    if explanation.accepted:
        try:
            to_value(data.decode("utf-8", errors="surrogateescape"))
        except ValidationFailed as error:
            errors = error.errors
    return Instance(name, data, explanation.accepted and not errors, explanation.offset, explanation.allowed, errors)
