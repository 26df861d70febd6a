"""`gcd sample`: random members of a grammar, without any model. Never imports torch."""

from __future__ import annotations

import json
from collections.abc import Callable
from random import Random, SystemRandom
from typing import TYPE_CHECKING, Annotated

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

if TYPE_CHECKING:
    from gcd.parse import Wanted

__all__ = ["sample"]


def sample(
    grammar: GrammarArgument,
    n: Annotated[int, typer.Option("-n", "--n", metavar="NUMBER", min=1, help="How many texts.")] = 10,
    seed: Annotated[
        int | None, typer.Option(metavar="NUMBER", min=0, help="The same seed gives the same texts.")
    ] = None,
    max_bytes: Annotated[
        int, typer.Option(metavar="NUMBER", min=0, max=1_000_000, help="The most bytes of a text.")
    ] = 200,
    length: Annotated[
        int | None,
        typer.Option(
            metavar="NUMBER", min=0, max=10_000, help="Texts of exactly so many bytes, all of them equally likely."
        ),
    ] = None,
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
    whitespace: WhitespaceOption = "compact",
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON object a line, not the bare text.")] = False,
) -> None:
    """Draw random texts of a grammar, to see what it means.

    By its rules, each alternative as likely as the others, or with --length evenly among all texts of that length:

        gcd sample examples/arithmetic.lark -n 3 --seed 1 --max-bytes 20
    """
    with reported():
        (source,) = with_options(
            with_imports([from_path(grammar, kind=kind)], import_root),
            schemas=schemas, key_order=key_order, formats=formats, additional=additional,
            approximate=approximate, strings=strings, integers=integers, digits=digits,
        )  # fmt: skip
        from gcd.parse import parse_wanted

        keywords = source.keywords | ({"whitespace": read_whitespace(whitespace)} if source.kind == "schema" else {})
        draw = drawer(parse_wanted(**keywords), max_bytes, length)
        seed = SystemRandom().randrange(2**32) if seed is None else seed
        rng = Random(seed)
        for _ in range(n):
            text = draw(rng).decode("utf-8", errors="backslashreplace")
            typer.echo(json.dumps({"text": text, "seed": seed}, ensure_ascii=False) if as_json else text)


def drawer(wanted: Wanted, max_bytes: int, length: int | None) -> Callable[[Random], bytes]:
    """What draws a member; raises what is wrong with the grammar, and `BadParameter` where no member is so short."""
    from gcd.errors import LimitExceeded
    from grammars.compile import compile_grammar
    from grammars.samples import Samples
    from grammars.uniform import Uniform

    grammar = wanted.to_grammar()
    automaton = compile_grammar(grammar)
    if length is not None:
        return Uniform(automaton, length).draw
    try:
        return Samples(grammar, max_bytes).draw
    except LimitExceeded as error:
        if not error.message.startswith("no text of this grammar has at most"):
            raise
        raise typer.BadParameter(f"--max-bytes {max_bytes}: all texts of this grammar are longer.") from None
