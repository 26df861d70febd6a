"""`gcd check`: is a grammar usable, and is a text in its language? Never imports torch."""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING, Annotated

import typer

from gcd.cli.exits import Exit, reported
from gcd.cli.sources import (
    AdditionalOption,
    ApproximateOption,
    ChoicesOption,
    FormatsOption,
    GrammarOption,
    KeyOrderOption,
    RegexOption,
    SchemaOption,
    SchemasOption,
    TypeOption,
    from_options,
    from_path,
    read_bytes,
    shown,
    with_options,
)
from grammars.errors import place_of

if TYPE_CHECKING:
    from gcd.cli.verdict import Verdict
    from grammars.frontends.json_schema import KeywordUse

__all__ = ["check"]


def check(
    files: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="FILE", help="Grammars, their kind told by the name: .json, .regex, .lark, .gbnf, .ebnf."
        ),
    ] = None,
    schema: SchemaOption = None,
    regex: RegexOption = None,
    grammar: GrammarOption = None,
    choices: ChoicesOption = None,
    type_name: TypeOption = None,
    schemas: SchemasOption = None,
    key_order: KeyOrderOption = "schema",
    formats: FormatsOption = True,
    additional: AdditionalOption = True,
    approximate: ApproximateOption = None,
    instance: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="Is this text in the language? A final newline is not part of it."),
    ] = None,
    instance_text: Annotated[str | None, typer.Option(metavar="TEXT", help="The same for a text given here.")] = None,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Say what becomes of each keyword.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON object a line, one a grammar.")] = False,
) -> None:
    """Say whether grammars are well-formed, supported and non-empty, and whether a text is in their language.

    A text that is not is shown with the place where it stops and what was allowed there:

        gcd check examples/person.json --instance answer.json
    """
    with reported():
        option = from_options(schema=schema, regex=regex, grammar=grammar, choices=choices, type_name=type_name)
        if (option is None) == (not files):
            raise typer.BadParameter("give files, or one of --schema, --regex, --grammar, --choices and --type.")
        if "-" in (schema, grammar) and instance == "-":
            raise typer.BadParameter("stdin cannot be both the grammar and the instance.")
        sources = [option] if option is not None else [from_path(path) for path in files or ()]
        sources = with_options(
            sources, schemas=schemas, key_order=key_order, formats=formats, additional=additional,
            approximate=approximate,
        )  # fmt: skip
        asked = read_instance(instance, instance_text)
        from gcd.cli.verdict import examine

        verdicts = [examine(source, instance=asked) for source in sources]
    for verdict in verdicts:
        typer.echo(json.dumps(verdict.to_json(), ensure_ascii=False) if as_json else describe(verdict, verbose=verbose))
    raise typer.Exit(exit_code(verdicts))


def read_instance(path: str | None, text: str | None) -> tuple[str, bytes] | None:
    """The name and the bytes of the text in question; the final newline of a file is left out, as editors add it."""
    if path is not None and text is not None:
        raise typer.BadParameter("--instance and --instance-text exclude each other: give one of them.")
    if path is not None:
        return shown(path), read_bytes(path).removesuffix(b"\n")
    if text is not None:
        return "--instance-text", text.encode("utf-8", errors="surrogateescape")
    return None


def exit_code(verdicts: list[Verdict]) -> Exit:
    """GRAMMAR when a grammar cannot be used, else NO_MATCH when a text is outside a language, else OK."""
    if any(verdict.error is not None for verdict in verdicts):
        return Exit.GRAMMAR
    if any(verdict.instance is not None and not verdict.instance.match for verdict in verdicts):
        return Exit.NO_MATCH
    return Exit.OK


def describe(verdict: Verdict, *, verbose: bool) -> str:
    """The verdict in lines for people."""
    lines = [str(verdict)]
    if verbose and verdict.uses:
        lines += keyword_table(verdict.uses)
    if verdict.instance is not None:
        lines.append(str(verdict.instance))
    return "\n".join(lines)


def keyword_table(uses: tuple[KeywordUse, ...]) -> list[str]:
    """A line a keyword, and how many there are of each status."""
    width = max(len(place_of(use.pointer)) for use in uses)
    lines = []
    for use in uses:
        reason = f" ({use.reason})" if use.reason and use.reason != use.status else ""
        lines.append(f"  {place_of(use.pointer):<{width}}  {use.status}{reason}")
    counts = Counter(use.status for use in uses)
    return [*lines, f"  {', '.join(f'{count} {status}' for status, count in counts.items())}"]
