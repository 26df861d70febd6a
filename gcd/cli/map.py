"""`gcd map`: a file of records, a prompt and what is wanted -> a file of results, to be gone on with after any end."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gcd.cli.exits import Exit, reported
from gcd.cli.generate import check_first
from gcd.cli.sources import (
    AdditionalOption,
    ApproximateOption,
    ChoicesOption,
    DigitsOption,
    FormatsOption,
    GrammarOption,
    IntegersOption,
    KeyOrderOption,
    RegexOption,
    SchemaOption,
    SchemasOption,
    StringsOption,
    TypeOption,
    WhitespaceOption,
    from_options,
    read_text,
    read_whitespace,
    with_options,
)
from gcd.cli.warm_up import make_ready

if TYPE_CHECKING:
    from gcd.bulk import Done

__all__ = ["map_command"]


def map_command(
    records: Annotated[str, typer.Argument(help="A file with a JSON object a line.")],
    out: Annotated[
        str,
        typer.Option("--out", "-o", metavar="FILE", help="Where results go, a JSON object a line; it is gone on with."),
    ],
    schema: SchemaOption = None,
    regex: RegexOption = None,
    grammar: GrammarOption = None,
    choices: ChoicesOption = None,
    type_name: TypeOption = None,
    prompt: Annotated[
        str,
        typer.Option(
            metavar="TEMPLATE", help="The prompt of a record: {name} is a member of it, {} all of it as JSON."
        ),
    ] = "{prompt}",
    prompt_file: Annotated[str | None, typer.Option(metavar="FILE", help="The same from a file.")] = None,
    schemas: SchemasOption = None,
    key_order: KeyOrderOption = "schema",
    strings: StringsOption = "any",
    integers: IntegersOption = "plain",
    digits: DigitsOption = 64,
    formats: FormatsOption = True,
    additional: AdditionalOption = True,
    approximate: ApproximateOption = None,
    model: Annotated[
        str, typer.Option(metavar="NAME", help="A model's name or folder; smollm2 is the embedded one.")
    ] = "smollm2",
    chat: Annotated[bool, typer.Option("--chat", help="Send the prompt as a chat message.")] = False,
    seed: Annotated[int, typer.Option(metavar="NUMBER", min=0, help="The same seed gives the same results.")] = 0,
    temperature: Annotated[
        float, typer.Option(metavar="NUMBER", min=0.0, help="0 takes the likeliest token each time.")
    ] = 1.0,
    max_new_tokens: Annotated[
        int, typer.Option(metavar="NUMBER", min=1, help="The budget of a text, its end included.")
    ] = 512,
    whitespace: WhitespaceOption = "bounded",
    workers: Annotated[
        int, typer.Option(metavar="NUMBER", min=1, max=64, help="Threads that use the model at the same time.")
    ] = 1,
    batch_size: Annotated[
        int, typer.Option(metavar="NUMBER", min=1, help="Records in one forward pass; results depend on it.")
    ] = 8,
    retry_errors: Annotated[
        bool, typer.Option("--retry-errors", help="Make the results anew that are errors.")
    ] = False,
) -> None:
    """Generate for every record of a JSONL file.

    A job that was ended, even killed, goes on where it was: records that have a result in FILE are left alone. A record
    that fails has its error for a result; then the exit code is 1.

        gcd map people.jsonl --schema examples/person.json --prompt "{text} ->" -o out.jsonl
    """
    with reported():
        source = from_options(schema=schema, regex=regex, grammar=grammar, choices=choices, type_name=type_name)
        if source is None:
            raise typer.BadParameter("say what is wanted: --schema, --regex, --grammar, --choices or --type.")
        (source,) = with_options(
            [source], schemas=schemas, key_order=key_order, formats=formats, additional=additional,
            approximate=approximate, strings=strings, integers=integers, digits=digits,
        )  # fmt: skip
        for path, name in ((records, "RECORDS"), (out, "--out")):
            if path == "-":
                raise typer.BadParameter(f"{name} is a file, so that a job can go on where it ended.")
        if not Path(records).is_file():
            raise typer.BadParameter(f"cannot read {records}: no such file.")
        options: dict[str, Any] = {
            "temperature": temperature, "max_new_tokens": max_new_tokens, "whitespace": read_whitespace(whitespace),
            **source.keywords,
        }  # fmt: skip
        template = prompt if prompt_file is None else read_text(prompt_file)
        check_first(source, options["whitespace"])
        import gcd
        from gcd.bulk import fill_template, map_records

        fill_template(template, None)
        watched = sys.stderr.isatty()
        if watched:
            make_ready()
            typer.echo(f"loading {model}", err=True)
        line = _Line(shown=watched)
        done = map_records(
            gcd.load(model), Path(records), Path(out), prompt=template, chat=chat, workers=workers,
            batch_size=batch_size, seed=seed, retry_errors=retry_errors, label=model, on_progress=line.draw, **options,
        )  # fmt: skip
        typer.echo(line.summary(done), err=True)
        if done.errors:
            raise typer.Exit(Exit.NO_MATCH)


class _Line:
    """`12 of 300 records, 1 error, 3.4 records/s`, drawn over itself when it is shown."""

    def __init__(self, *, shown: bool) -> None:
        self.shown, self.started = shown, time.monotonic()

    def draw(self, done: Done) -> None:
        if self.shown:
            rate = done.made / max(time.monotonic() - self.started, 1e-9)
            line = f"{done.before + done.made} of {done.total} records, {_errors(done)}, {rate:.1f} records/s"
            typer.echo(f"\r{line:<60}", err=True, nl=not done.left)

    @staticmethod
    def summary(done: Done) -> str:
        before = f", {done.before} of them before" if done.before else ""
        return f"{done.before + done.made} of {done.total} records{before}, {_errors(done)}"


def _errors(done: Done) -> str:
    return f"{done.errors} error{'s' * (done.errors != 1)}"
