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
    DigitsOption,
    FormatsOption,
    GrammarOption,
    ImportRootOption,
    IntegersOption,
    KeyOrderOption,
    KindOption,
    RegexOption,
    SchemaOption,
    SchemasOption,
    Source,
    StringsOption,
    TypeOption,
    from_options,
    from_path,
    grammars_in,
    read_bytes,
    shown,
    with_imports,
    with_options,
)
from grammars.errors import place_of

if TYPE_CHECKING:
    from gcd.cli.verdict import Verdict
    from grammars.frontends.json_schema import KeywordUse

__all__ = ["check"]

SHOWN = 10
"""How many texts that do not match are shown to people."""


def check(
    files: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="FILE",
            help="Grammars, or folders of them, their kind told by the name: .json, .regex, .lark, .gbnf, .ebnf.",
        ),
    ] = None,
    kind: KindOption = None,
    schema: SchemaOption = None,
    regex: RegexOption = None,
    grammar: GrammarOption = None,
    choices: ChoicesOption = None,
    type_name: TypeOption = None,
    import_root: ImportRootOption = None,
    schemas: SchemasOption = None,
    key_order: KeyOrderOption = "schema",
    strings: StringsOption = "any",
    integers: IntegersOption = "plain",
    digits: DigitsOption = 64,
    formats: FormatsOption = True,
    additional: AdditionalOption = True,
    approximate: ApproximateOption = None,
    instance: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="Is this text in the language? A final newline is not part of it."),
    ] = None,
    instance_text: Annotated[str | None, typer.Option(metavar="TEXT", help="The same for a text given here.")] = None,
    instances: Annotated[
        str | None,
        typer.Option(
            metavar="FILE", help="Are these texts, one a line? For what is no JSON Schema, each is a JSON string."
        ),
    ] = None,
    tokenizer: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="A tokenizer.json or its folder: can its tokens write the texts?"),
    ] = None,
    verbose: Annotated[
        bool,
        typer.Option(
            "--verbose",
            "-v",
            help="Say what becomes of each keyword, how large a grammar is, what collides and what is ambiguous.",
        ),
    ] = False,
    seconds: Annotated[
        float,
        typer.Option(
            metavar="SECONDS",
            min=0.0,
            help="How long --verbose looks for a text with two readings, and as long for one that lark's lexers lose.",
        ),
    ] = 0.5,
    states: Annotated[
        int, typer.Option(metavar="NUMBER", min=1, help="How many states --verbose compares terminals in.")
    ] = 20_000,
    strict: Annotated[
        bool, typer.Option("--strict", help="Exit with 1 where something in a grammar was hardly meant.")
    ] = False,
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
        if [schema, grammar, instance, instances, *(files or ())].count("-") > 1:
            raise typer.BadParameter("stdin cannot be both the grammar and the instance.")
        paths = [path for given in files or () for path in grammars_in(given, kind=kind)]
        sources = [option] if option is not None else [from_path(path, kind=kind) for path in paths]
        sources = with_options(
            with_imports(sources, import_root),
            schemas=schemas, key_order=key_order, formats=formats, additional=additional,
            approximate=approximate, strings=strings, integers=integers, digits=digits,
        )  # fmt: skip
        one = read_instance(instance, instance_text)
        data = None if instances is None else read_bytes(instances)
        from gcd.cli.verdict import Asked, examine

        verdicts = []
        for source in sources:
            many = None if data is None else read_instances(shown(str(instances)), data, source)
            verdicts.append(examine(source, Asked(one, many, tokenizer, verbose or as_json, seconds, states)))
    for verdict in verdicts:
        typer.echo(json.dumps(verdict.to_json(), ensure_ascii=False) if as_json else describe(verdict, verbose=verbose))
    raise typer.Exit(exit_code(verdicts, strict=strict))


def read_instance(path: str | None, text: str | None) -> tuple[str, bytes] | None:
    """The name and the bytes of the text in question; the final newline of a file is left out, as editors add it."""
    if path is not None and text is not None:
        raise typer.BadParameter("--instance and --instance-text exclude each other: give one of them.")
    if path is not None:
        return shown(path), read_bytes(path).removesuffix(b"\n")
    if text is not None:
        return "--instance-text", text.encode("utf-8", errors="surrogateescape")
    return None


def read_instances(name: str, data: bytes, source: Source) -> tuple[tuple[str, bytes], ...]:
    """The texts in lines, with their names; of a schema each as it stands, else each as a JSON string."""
    found = []
    for number, line in enumerate(data.split(b"\n"), start=1):
        place, text = f"{name}:{number}", line.removesuffix(b"\r")
        if not text.strip():
            continue
        if source.kind != "schema":
            try:
                value = json.loads(text)
            except ValueError:
                value = None
            if not isinstance(value, str):
                raise typer.BadParameter(f"{place}: this is no JSON string, as which {source.name} needs its texts.")
            text = value.encode("utf-8", errors="surrogatepass")
        found.append((place, text))
    return tuple(found)


def exit_code(verdicts: list[Verdict], *, strict: bool = False) -> Exit:
    """GRAMMAR where a grammar cannot be used, MODEL where a tokenizer cannot, NO_MATCH for a text outside, else OK.

    NO_MATCH too where it is strict and there are findings.
    """
    if any(verdict.error is not None for verdict in verdicts):
        return Exit.GRAMMAR
    if any(verdict.mismatch is not None for verdict in verdicts):
        return Exit.MODEL
    texts = [one for verdict in verdicts for one in (verdict.instance, *(verdict.instances or ())) if one is not None]
    found = strict and any(verdict.findings for verdict in verdicts)
    return Exit.OK if all(text.match for text in texts) and not found else Exit.NO_MATCH


def describe(verdict: Verdict, *, verbose: bool) -> str:
    """The verdict in lines for people."""
    lines = [str(verdict)]
    if verbose and verdict.uses:
        lines += keyword_table(verdict.uses)
    if verdict.statistics is not None:
        lines.append("  " + ", ".join(f"{count:,} {name}" for name, count in verdict.statistics.items()))
    if verdict.instance is not None:
        lines.append(str(verdict.instance))
    if verdict.instances is not None:
        failed = [one for one in verdict.instances if not one.match]
        lines += [str(one) for one in failed[:SHOWN]]
        lines += [f"... {len(failed) - SHOWN:,} more do not match"] if len(failed) > SHOWN else []
        lines.append(f"{len(verdict.instances) - len(failed):,} of {len(verdict.instances):,} texts match")
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
