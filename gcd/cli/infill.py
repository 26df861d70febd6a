"""`gcd infill`: a text with holes -> the text that the embedded diffusion model makes of it, inside a grammar."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gcd.cli.exits import reported
from gcd.cli.generate import check_first, keywords_of
from gcd.cli.sources import (
    AdditionalOption,
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
    read_text,
    read_whitespace,
    with_imports,
    with_options,
)
from gcd.models.load import DEMO_DIFFUSION
from gcd.prompts import encode_text

if TYPE_CHECKING:
    from gcd.diffusion import Hole, Infilling

__all__ = ["infill", "parts_of"]

HOLE = re.compile(r"<hole(?: (\d+)(?:-(\d+))?)?>")
FEWEST, MOST = 1, 8
"""The tokens of a hole that does not say how many."""


def infill(
    grammar: GrammarArgument,
    text: Annotated[
        str,
        typer.Argument(
            metavar="TEXT",
            help="The text, with <hole> where 1 to 8 tokens are missing, <hole 3> or <hole 0-20> where so many are; "
            "`-` reads it from stdin.",
        ),
    ],
    prompt: Annotated[str, typer.Option(metavar="TEXT", help="What the model reads before the text.")] = "",
    kind: KindOption = None,
    import_root: ImportRootOption = None,
    schemas: SchemasOption = None,
    key_order: KeyOrderOption = "schema",
    strings: StringsOption = "any",
    integers: IntegersOption = "plain",
    digits: DigitsOption = 64,
    formats: FormatsOption = True,
    additional: AdditionalOption = True,
    method: Annotated[
        str,
        typer.Option(metavar="NAME", help="exact draws lengths and texts, dingo takes the most probable ones."),
    ] = "exact",
    steps: Annotated[
        int | None,
        typer.Option(
            metavar="NUMBER", min=1, help="How often the model is asked once lengths are known.  [default: each token]"
        ),
    ] = None,
    n: Annotated[int, typer.Option("--n", metavar="NUMBER", min=1, help="How many texts.")] = 1,
    seed: Annotated[
        int | None, typer.Option(metavar="NUMBER", min=0, help="The same seed gives the same texts.")
    ] = None,
    whitespace: WhitespaceOption = "bounded",
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON object a line, not the bare text.")] = False,
) -> None:
    """Fill the holes of TEXT so that it is in the grammar.

    The embedded diffusion model fills them, and how long each is, is drawn too:

        gcd infill examples/weather.json --method dingo \\
            --prompt "weather: It is 16 degrees in Athens. Fog. Wind from the west at 115 km/h. Warning issued. ->" \\
            '{"city":"<hole 1-4>","degrees":<hole 2>,"sky":"fog","wind":<hole 15-17>,"warning":<hole 1>}'
    """
    with reported():
        if text == grammar == "-":
            raise typer.BadParameter("stdin cannot be both the text and the grammar.")
        if method not in ("exact", "dingo"):
            raise typer.BadParameter(f"--method is exact or dingo, not {method!r}.")
        (source,) = with_options(
            with_imports([from_path(grammar, kind=kind)], import_root),
            schemas=schemas, key_order=key_order, formats=formats, additional=additional, approximate=None,
            strings=strings, integers=integers, digits=digits,
        )  # fmt: skip
        parts = parts_of(read_text("-").removesuffix("\n") if text == "-" else text)
        spaces = read_whitespace(whitespace)
        check_first(source, spaces)
        import gcd
        from gcd.diffusion import infill as fill

        model: Any = gcd.load(DEMO_DIFFUSION)
        keywords = keywords_of(source) | ({"whitespace": spaces} if source.kind == "schema" else {})
        made = fill(
            model, gcd.compile(**keywords, tokenizer=model.tokenizer), parts, mask_token_id=model.mask_token_id,
            prompt=encode_text(model.tokenizer, prompt, special=False),
            method="dingo" if method == "dingo" else "exact", steps=steps, n=n, seed=seed,
        )  # fmt: skip
        for one in made:
            typer.echo(json.dumps(record(one), ensure_ascii=False) if as_json else record(one)["text"])


def parts_of(text: str) -> list[str | Hole]:
    """`"a<hole 2-5>b"` -> `["a", Hole(2, 5), "b"]`; raises `BadParameter` for a hole that has no such length."""
    from gcd.diffusion import Hole

    parts, at = list[str | Hole](), 0
    for found in HOLE.finditer(text):
        if found.start() > at:
            parts.append(text[at : found.start()])
        fewest = FEWEST if found[1] is None else int(found[1])
        most = MOST if found[1] is None else int(found[2] or found[1])
        if fewest > most:
            raise typer.BadParameter(f"{found[0]} has at least {fewest} tokens and at most {most}.")
        parts.append(Hole(fewest, most))
        at = found.end()
    return [*parts, *([text[at:]] if at < len(text) else [])]


def record(one: Infilling) -> dict[str, object]:
    """What `--json` prints of a filled text."""
    return {
        "text": one.decoding.data.decode("utf-8", "replace"),
        "holes": [hole.decode("utf-8", "replace") for hole in one.holes],
        "lengths": list(one.lengths),
        "length_law": [[list(lengths), p] for lengths, p in one.length_law.items()],
        "model_calls": one.decoding.calls,
    }
