"""`gcd generate`: a prompt and what is wanted -> text inside the language on stdout."""

from __future__ import annotations

import json
import math
import sys
from typing import TYPE_CHECKING, Annotated, Any, get_args

import typer

from gcd.cli.exits import reported
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
    RegexOption,
    SchemaOption,
    SchemasOption,
    Source,
    StringsOption,
    TypeOption,
    WhitespaceOption,
    from_options,
    read_text,
    read_whitespace,
    with_imports,
    with_options,
)
from gcd.cli.warm_up import make_ready
from gcd.generate import Method
from gcd.models.load import DEMO_DIFFUSION
from gcd.run_diffusion import METHODS

if TYPE_CHECKING:
    from gcd.generation import Generation

__all__ = ["check_first", "generate", "keywords_of"]


def generate(
    prompt: Annotated[str, typer.Argument(help="What the model continues; `-` reads it from stdin.")] = "",
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
    model: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="A model's name or folder; smollm2 is the embedded one, and demo-diffusion that of --diffusion.",
        ),
    ] = None,
    diffusion: Annotated[
        bool, typer.Option("--diffusion", help="Let the embedded diffusion model fill a canvas.")
    ] = False,
    method: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="How a text is drawn: mask, or cars and the others of docs/alignment.md, which follow the model's "
            "law; of a diffusion model exact, trajectory, dingo or greedy-mask.  [default: mask; exact]",
        ),
    ] = None,
    steps: Annotated[
        int | None,
        typer.Option(metavar="NUMBER", min=1, help="How often a diffusion model is asked.  [default: 32]"),
    ] = None,
    chat: Annotated[bool, typer.Option("--chat", help="Send the prompt as a chat message.")] = False,
    n: Annotated[int, typer.Option("--n", metavar="NUMBER", min=1, help="How many texts.")] = 1,
    seed: Annotated[
        int | None, typer.Option(metavar="NUMBER", min=0, help="The same seed gives the same texts.")
    ] = None,
    temperature: Annotated[
        float, typer.Option(metavar="NUMBER", min=0.0, help="0 takes the likeliest token each time.")
    ] = 1.0,
    max_new_tokens: Annotated[
        int, typer.Option(metavar="NUMBER", min=1, help="The budget of a text, its end included.")
    ] = 512,
    whitespace: WhitespaceOption = "bounded",
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON object a line, not the bare text.")] = False,
) -> None:
    """Let a model continue PROMPT inside a grammar.

    The text goes to stdout, everything else to stderr:

        gcd generate --schema examples/person.json "Ada Lovelace, 36, London ->"
        gcd generate --method cars --n 5 --regex " (yes|no)" "Is the sky blue? Answer with yes or no:"
        gcd generate --diffusion --schema examples/weather.json "weather: It is 16 degrees in Athens. Fog. ->"
    """
    with reported():
        source = from_options(schema=schema, regex=regex, grammar=grammar, choices=choices, type_name=type_name)
        if source is None:
            raise typer.BadParameter("say what is wanted: --schema, --regex, --grammar, --choices or --type.")
        (source,) = with_options(
            with_imports([source], import_root),
            schemas=schemas, key_order=key_order, formats=formats, additional=additional,
            approximate=approximate, strings=strings, integers=integers, digits=digits,
        )  # fmt: skip
        if "-" in (schema, grammar) and prompt == "-":
            raise typer.BadParameter("stdin cannot be both the prompt and the grammar.")
        fills = diffusion or model == DEMO_DIFFUSION
        if steps is not None and not fills:
            raise typer.BadParameter("--steps goes with --diffusion.")
        if diffusion and model not in (None, DEMO_DIFFUSION):
            raise typer.BadParameter(
                f"the diffusion model with a name is {DEMO_DIFFUSION}; others are wrapped in Python: "
                "gcd.MaskedDiffusionLM."
            )
        methods = METHODS if fills else tuple(name for name in get_args(Method) if name not in METHODS)
        if method is not None and method not in methods:
            here = "with --diffusion" if fills else "without --diffusion"
            raise typer.BadParameter(f"--method {here} is {', '.join(methods[:-1])} or {methods[-1]}, not {method!r}.")
        text = read_text("-") if prompt == "-" else prompt
        options: dict[str, Any] = {
            "n": n, "seed": seed, "temperature": temperature, "max_new_tokens": max_new_tokens,
            "whitespace": read_whitespace(whitespace), "method": method or "mask", "steps": steps,
        }  # fmt: skip
        model = model or (DEMO_DIFFUSION if diffusion else "smollm2")
        for generation in run(model, [{"role": "user", "content": text}] if chat else text, source, options):
            typer.echo(json.dumps(record(generation), ensure_ascii=False) if as_json else generation.text)


def run(model: str, prompt: str | list[dict[str, Any]], source: Source, options: dict[str, Any]) -> list[Generation]:
    """The generations; what goes on meanwhile is said on stderr when somebody watches it.

    A grammar that cannot be used is an error at once, not after the seconds that a model takes to load.
    """
    import gcd

    check_first(source, options["whitespace"])
    watched = sys.stderr.isatty()
    if watched:
        make_ready()
        typer.echo(f"loading {model}", err=True)
    found: Generation | list[Generation]
    found = gcd.generate(gcd.load(model), prompt, progress=watched, **keywords_of(source), **options)
    return found if isinstance(found, list) else [found]


def keywords_of(source: Source) -> dict[str, Any]:
    """What `gcd.generate` and `gcd.compile` are told of a source."""
    import gcd

    keywords = source.keywords
    if "import_root" in keywords:
        keywords = {"grammar": gcd.lark(keywords["grammar"], import_root=keywords["import_root"])}
    return keywords


def check_first(source: Source, whitespace: Any) -> None:
    """Raises what is wrong with the grammar, and says what of it is left out."""
    import gcd

    report = gcd.check(**source.keywords, whitespace=whitespace)
    if report.error is not None:
        raise report.error
    for error in report.widened:
        typer.echo(f"left out, and checked in the finished value only: {error.headline}", err=True)


def record(generation: Generation) -> dict[str, object]:
    """What `--json` prints of a generation; `value` is null where it has no JSON form, `logprob` where it is nan."""
    from pydantic_core import to_jsonable_python

    return {
        "text": generation.text,
        "value": to_jsonable_python(generation.value, fallback=lambda value: None),
        "token_ids": list(generation.token_ids),
        "logprob": generation.logprob if math.isfinite(generation.logprob) else None,
        "finish_reason": generation.finish_reason,
        "seed": generation.seed,
        "widened": list(generation.widened),
        "captures": {name: list(texts) for name, texts in generation.captures.items()},
    }
