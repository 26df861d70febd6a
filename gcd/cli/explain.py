"""`gcd explain`: where a text leaves a language, what was allowed there, and by which rules it was being read."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gcd.cli.exits import Exit, reported
from gcd.cli.sources import (
    AdditionalOption,
    ApproximateOption,
    DigitsOption,
    FormatsOption,
    GrammarArgument,
    ImportRootOption,
    IntegersOption,
    KeyOrderOption,
    KindOption,
    SchemasOption,
    Source,
    StringsOption,
    from_path,
    read_bytes,
    shown,
    with_imports,
    with_options,
)

if TYPE_CHECKING:
    from gcd.cli.verdict import Instance
    from gcd.parse import Wanted
    from grammars.automaton import ByteAutomaton
    from grammars.reading import Reading
    from tokenizer_align.constraint import Constraint

__all__ = ["explain"]

SHOWN = 20
"""How many rules and tokens are shown to people."""


def explain(
    grammar: GrammarArgument,
    text: Annotated[
        str | None, typer.Argument(metavar="TEXT", help="A file with the text; a final newline is not part of it.")
    ] = None,
    given: Annotated[str | None, typer.Option("--text", metavar="TEXT", help="The text itself.")] = None,
    kind: KindOption = None,
    tokenizer: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="A tokenizer.json or its folder: which of its tokens were allowed?"),
    ] = None,
    import_root: ImportRootOption = None,
    schemas: SchemasOption = None,
    key_order: KeyOrderOption = "schema",
    strings: StringsOption = "any",
    integers: IntegersOption = "plain",
    digits: DigitsOption = 64,
    formats: FormatsOption = True,
    additional: AdditionalOption = True,
    approximate: ApproximateOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON object.")] = False,
) -> None:
    """Say where a text leaves the language of a grammar, and what was allowed there.

    With the rules that were being read at that place, the outermost first:

        gcd explain examples/arithmetic.lark --text "(1+2"
    """
    with reported():
        if (text is None) == (given is None):
            raise typer.BadParameter("give the text as a file, or by --text TEXT.")
        if grammar == "-" and text == "-":
            raise typer.BadParameter("stdin cannot be both the grammar and the text.")
        (source,) = with_options(
            with_imports([from_path(grammar, kind=kind)], import_root),
            schemas=schemas, key_order=key_order, formats=formats, additional=additional,
            approximate=approximate, strings=strings, integers=integers, digits=digits,
        )  # fmt: skip
        data = (
            read_bytes(text).removesuffix(b"\n") if text is not None else (given or "").encode(errors="surrogateescape")
        )
        found = examine(source, "--text" if text is None else shown(text), data, tokenizer)
    typer.echo(json.dumps(found.to_json(), ensure_ascii=False) if as_json else str(found))
    raise typer.Exit(Exit.OK if found.instance.match else Exit.NO_MATCH)


@dataclass(frozen=True, slots=True)
class Explanation:
    """Where a text stops (see `Instance`), and what is known of that place.

    `characters` is None inside of a character and where items of arrays must differ, `reading` where the grammar has no
    rules or following them took too long, which `missing` says; `tokens` where no tokenizer was given.
    """

    instance: Instance
    characters: tuple[tuple[int, int], ...] | None
    is_complete: bool
    reading: Reading | None
    missing: str | None
    tokens: Tokens | None

    def __str__(self) -> str:
        from grammars.reading import list_of, range_names

        lines = str(self.instance).splitlines()
        if lines[-1].startswith("expected "):
            lines.pop()
        if self.characters is None:
            lines.append(f"bytes: {self.instance.allowed}")
        else:
            names = [*range_names(self.characters), *["the end"] * self.is_complete]
            lines.append(f"characters: {list_of(names) or 'none'}")
        if self.reading is not None and self.reading.terminals:
            lines.append(f"terminals: {list_of(self.reading.terminals)}")
        if self.tokens is not None:
            lines.append(str(self.tokens))
        if self.missing is not None:
            lines.append(f"rules: {self.missing}")
        if self.reading is not None and self.reading.rules:
            lines.append("rules being read, the outermost first:")
            rules = self.reading.rules
            cut = [] if len(rules) <= SHOWN else [f"  ... {len(rules) - SHOWN} more, the innermost are:"]
            for rule in rules if not cut else rules[: SHOWN // 2]:
                lines.append(self.describe(rule))
            if cut:
                lines += cut
                lines += [self.describe(rule) for rule in rules[-SHOWN // 2 :]]
        return "\n".join(lines)

    def describe(self, rule: Any) -> str:
        from grammars.reading import list_of

        line, column = place(self.instance.data, rule.since)
        expects = f": expects {list_of(rule.expects)}" if rule.expects else ""
        return f"  {'  ' * min(rule.depth, 20)}{rule.name} from line {line}, column {column}{expects}"

    def to_json(self) -> dict[str, object]:
        line, column = place(self.instance.data, self.instance.offset)
        rules = [] if self.reading is None else self.reading.rules
        return {
            "text": self.instance.name,
            "match": self.instance.match,
            "offset": self.instance.offset,
            "line": line,
            "column": column,
            "may_end": self.is_complete,
            "bytes": self.instance.allowed,
            "characters": None if self.characters is None else [[chr(a), chr(b)] for a, b in self.characters],
            "terminals": None if self.reading is None else list(self.reading.terminals),
            "rules": [
                {"rule": rule.name, "offset": rule.since, "depth": rule.depth, "expects": list(rule.expects)}
                for rule in rules
            ],
            "tokens": None if self.tokens is None else self.tokens.to_json(),
            "errors": list(self.instance.errors),
        }


@dataclass(frozen=True, slots=True)
class Tokens:
    """The tokens that were allowed, by id with their bytes; `ids` is None where no tokens spell the text so far."""

    ids: tuple[int, ...] | None
    spelled: tuple[bytes, ...]
    size: int
    may_end: bool

    def __str__(self) -> str:
        if self.ids is None:
            return "tokens: none of this vocabulary spell the text so far"
        shown = [f"{token.decode('utf-8', errors='backslashreplace')!r}" for token in self.spelled[:SHOWN]]
        more = f", ... ({len(self.ids) - SHOWN} more)" if len(self.ids) > SHOWN else ""
        end = " and the end" if self.may_end else ""
        return f"tokens: {len(self.ids)} of {self.size}{end}{': ' if shown else ''}{', '.join(shown)}{more}"

    def to_json(self) -> dict[str, object]:
        return {"allowed": None if self.ids is None else list(self.ids), "may_end": self.may_end, "size": self.size}


def place(data: bytes, offset: int) -> tuple[int, int]:
    """Line and column of a byte, both from 1; columns count characters."""
    before = data[:offset].decode("utf-8", errors="replace")
    return before.count("\n") + 1, len(before) - before.rfind("\n")


def examine(source: Source, name: str, data: bytes, tokenizer: str | None) -> Explanation:
    """The explanation of a text; raises what is wrong with the grammar or the tokenizer."""
    from gcd.cli.verdict import match
    from gcd.compile import check_wanted
    from gcd.parse import parse_wanted
    from grammars.reading import following_characters

    wanted = parse_wanted(**source.keywords)
    report, automaton = check_wanted(wanted)
    if automaton is None:
        assert report.error is not None
        raise report.error
    instance = match(automaton, wanted.to_value, name, data)
    machine = automaton.recogniser
    at = machine.start
    for byte in data[: instance.offset]:
        at = machine.step(at, byte)
    found, missing = read(automaton, source.kind, data[: instance.offset])
    return Explanation(
        instance,
        None if automaton.has_distinct else following_characters(machine, at),  # it knows of no earlier items
        at.accepting,
        found,
        missing,
        None if tokenizer is None else allowed_tokens(wanted, tokenizer, data[: instance.offset]),
    )


def read(automaton: ByteAutomaton, kind: str, data: bytes) -> tuple[Reading | None, str | None]:
    """By which rules the text is read, or why that is not known; a regex and choices have none."""
    from gcd.errors import GrammarError
    from grammars.chart import Chart
    from grammars.reading import reading

    if kind in ("regex", "choices"):
        return None, None
    try:
        chart = Chart(automaton.source)
        for byte in data:
            chart.read(byte)
    except GrammarError as error:
        return None, f"not known, {error.message}"
    return reading(chart), None


def allowed_tokens(wanted: Wanted, tokenizer: str, data: bytes) -> Tokens:
    """The tokens of a tokenizer's vocabulary that may follow the bytes."""
    from gcd.compile import align_wanted, vocabulary_of

    vocabulary = vocabulary_of(Path(tokenizer))
    constraint: Constraint = align_wanted(wanted, vocabulary)
    token_ids = vocabulary.greedy(data)
    if token_ids is None:
        return Tokens(None, (), vocabulary.size, False)
    state = constraint.start
    for token_id in token_ids:
        state = constraint.advance(state, token_id)
    import numpy as np

    bits = np.unpackbits(constraint.mask(state).view(np.uint8), bitorder="little")[: vocabulary.size]
    ids = [i for i in np.flatnonzero(bits).tolist() if i not in vocabulary.eos_token_ids]
    spelled = tuple(vocabulary.tokens[i] for i in ids)
    return Tokens(tuple(ids), spelled, vocabulary.size, constraint.is_accepting(state))
