"""`gcd convert`: a grammar of any kind as Lark or GBNF, for other programs. Never imports torch."""

from __future__ import annotations

from typing import Annotated

import typer

from gcd.cli.exits import reported
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
    StringsOption,
    WhitespaceOption,
    from_path,
    read_whitespace,
    with_imports,
    with_options,
)

__all__ = ["convert"]


def convert(
    grammar: GrammarArgument,
    to: Annotated[str, typer.Option("--to", metavar="DIALECT", help="What to write: lark, gbnf.")] = "lark",
    kind: KindOption = None,
    import_root: ImportRootOption = None,
    schemas: SchemasOption = None,
    key_order: KeyOrderOption = "schema",
    strings: StringsOption = "any",
    integers: IntegersOption = "plain",
    digits: DigitsOption = 64,
    formats: FormatsOption = True,
    additional: AdditionalOption = True,
    approximate: ApproximateOption = None,
    whitespace: WhitespaceOption = "bounded",
) -> None:
    """Write a grammar of the same language in another notation.

    What has no notation there, such as a string with a pattern and a length, is written as rules:

        gcd convert examples/person.json --whitespace compact --to gbnf
    """
    with reported():
        if to not in ("lark", "gbnf"):
            raise typer.BadParameter(f"--to {to} is neither lark nor gbnf.")
        (source,) = with_options(
            with_imports([from_path(grammar, kind=kind)], import_root),
            schemas=schemas, key_order=key_order, formats=formats, additional=additional,
            approximate=approximate, strings=strings, integers=integers, digits=digits,
        )  # fmt: skip
        from gcd.compile import check_wanted
        from gcd.parse import parse_wanted
        from grammars.writing import write_grammar

        keywords = source.keywords | ({"whitespace": read_whitespace(whitespace)} if source.kind == "schema" else {})
        report, automaton = check_wanted(parse_wanted(**keywords))
        if automaton is None:
            assert report.error is not None
            raise report.error
        for error in report.widened:
            typer.echo(f"left out: {error.headline}", err=True)
        text = write_grammar(automaton.source, "lark" if to == "lark" else "gbnf")
    typer.echo(text, nl=False)
