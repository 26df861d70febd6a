"""Arguments and files -> Source: which of the four kinds of grammar is meant, as text that the library reads.

The library takes a str as text, always; only the command line turns arguments into paths. `-` is stdin.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any, Literal, TypeAlias
from urllib.parse import urlsplit

import typer

__all__ = [
    "AdditionalOption",
    "ApproximateOption",
    "ChoicesOption",
    "FormatsOption",
    "GrammarArgument",
    "GrammarOption",
    "ImportRootOption",
    "DigitsOption",
    "IntegersOption",
    "KeyOrderOption",
    "Kind",
    "KindOption",
    "RegexOption",
    "SchemaOption",
    "SchemasOption",
    "Source",
    "StringsOption",
    "TypeOption",
    "WhitespaceOption",
    "from_options",
    "from_path",
    "grammars_in",
    "read_bytes",
    "read_schemas",
    "read_text",
    "read_whitespace",
    "with_imports",
    "with_options",
]

Kind: TypeAlias = Literal["schema", "regex", "grammar", "choices"]

GrammarArgument = Annotated[
    str,
    typer.Argument(
        metavar="GRAMMAR",
        help="A file, its kind told by the name: .json, .regex, .lark, .gbnf, .ebnf; or library:NAME.",
    ),
]

PANEL = "What is wanted (one of these)"
SchemaOption = Annotated[
    str | None, typer.Option("--schema", metavar="FILE", help="A JSON Schema.", rich_help_panel=PANEL)
]
RegexOption = Annotated[
    str | None,
    typer.Option("--regex", metavar="PATTERN", help="A regular expression for the whole text.", rich_help_panel=PANEL),
]
GrammarOption = Annotated[
    str | None, typer.Option("--grammar", metavar="FILE", help="A grammar in Lark or GBNF.", rich_help_panel=PANEL)
]
ChoicesOption = Annotated[
    list[str] | None,
    typer.Option(
        "--choices",
        metavar="A,B,C",
        help="Texts to choose from; may be repeated, and a JSON array holds texts with commas.",
        rich_help_panel=PANEL,
    ),
]
TypeOption = Annotated[
    str | None,
    typer.Option(
        "--type",
        metavar="MODULE:NAME",
        help="A Python type: pydantic model, dataclass, TypedDict, Enum, Literal, function.",
        rich_help_panel=PANEL,
    ),
]
SchemasOption = Annotated[
    list[str] | None,
    typer.Option(
        "--schemas",
        metavar="FILE_OR_FOLDER",
        help="JSON Schemas that $ref may lead to, by their absolute $id, else by their name (in the folder); may be "
        "repeated.",
    ),
]

ImportRootOption = Annotated[
    str | None,
    typer.Option("--import-root", metavar="FOLDER", help="Where a Lark grammar may %import files from, and below."),
]
KeyOrderOption = Annotated[
    str,
    typer.Option("--key-order", metavar="ORDER", help="Keys in the order of the JSON Schema, or in any: schema, any."),
]
StringsOption = Annotated[
    str,
    typer.Option(
        metavar="SPELLING",
        help="How the strings of a JSON Schema are spelt: any, raw (escaped where they must be), ascii.",
    ),
]
IntegersOption = Annotated[
    str,
    typer.Option(metavar="SPELLING", help="How the integers of a JSON Schema are spelt: plain, fraction (also 12.0)."),
]
DigitsOption = Annotated[
    int,
    typer.Option(
        min=1, max=64, metavar="N", help="The most digits of a JSON Schema's numbers, before and after the point."
    ),
]
FormatsOption = Annotated[
    bool, typer.Option("--formats/--no-formats", help="Whether format in a JSON Schema says something about values.")
]
AdditionalOption = Annotated[
    bool,
    typer.Option(
        "--additional-properties/--no-additional-properties",
        help="Whether objects may have keys that a JSON Schema does not declare, where it is silent on them.",
    ),
]
ApproximateOption = Annotated[
    str | None,
    typer.Option(
        metavar="over", help="Leave out what of a JSON Schema cannot be enforced; the finished value is validated."
    ),
]

WhitespaceOption = Annotated[
    str,
    typer.Option(
        metavar="LAYOUT", help="Whitespace in JSON: bounded, compact, json, or a number of spaces to indent by."
    ),
]
LAYOUTS = ("bounded", "compact", "json")

KindOption = Annotated[
    str | None,
    typer.Option(
        "--kind",
        metavar="KIND",
        help="What the files are, whatever their names say: schema, regex, grammar, choices, structural-tag.",
    ),
]

SUFFIXES: dict[str, Kind] = {
    ".json": "schema", ".regex": "regex", ".lark": "grammar", ".gbnf": "grammar", ".ebnf": "grammar"
}  # fmt: skip
"""How the name of a file ends -> its kind."""


@dataclass(frozen=True, slots=True)
class Source:
    """What is wanted: the keyword of `gcd.generate`, its value, how messages call it, the options of a schema."""

    kind: Kind
    value: object
    name: str
    options: Mapping[str, object] = field(default_factory=dict)

    @property
    def keywords(self) -> dict[str, Any]:
        """`{"schema": ...}`, `{"regex": ...}`: to be handed on with `**`."""
        return {self.kind: self.value, **self.options}


def from_options(
    *,
    schema: str | None = None,
    regex: str | None = None,
    grammar: str | None = None,
    choices: Sequence[str] | None = None,
    type_name: str | None = None,
) -> Source | None:
    """The source that the options name, None when there is no such option; two of them are a usage error.

    >>> from_options(regex="[0-9]+")
    Source(kind='regex', value='[0-9]+', name='--regex')
    """
    given = {"--schema": schema, "--regex": regex, "--grammar": grammar, "--choices": choices, "--type": type_name}
    names = [name for name, value in given.items() if value is not None and value != []]
    if len(names) > 1:
        raise typer.BadParameter(f"{' and '.join(names)} exclude each other: give one of them.")
    if schema is not None:
        return Source("schema", read_text(schema), shown(schema))
    if regex is not None:
        return Source("regex", regex, "--regex")
    if grammar is not None:
        return Source("grammar", _grammar(grammar), shown(grammar))
    if choices:
        return Source("choices", split_choices(choices), "--choices")
    if type_name is not None:
        return Source("schema", load_type(type_name), type_name)
    return None


def from_path(path: str, *, kind: str | None = None) -> Source:
    """The grammar in a file, its kind told by the name unless it is given: `person.json`, `date.regex`, `sum.lark`.

    The final newline of a regex is not part of the pattern; choices stand one a line. `library:json` is the grammar of
    that name in `grammars.library`.
    """
    if kind is not None:
        return _of_kind(kind, path)
    if path.startswith("library:"):
        from grammars.library import library

        return Source("grammar", library(path.removeprefix("library:")), path)
    suffix = Path(path).suffix.lower()
    if suffix not in SUFFIXES:
        raise typer.BadParameter(
            f"{shown(path)}: cannot tell the kind from the name; known are {', '.join(SUFFIXES)}. "
            "Say it: --kind schema, --kind regex, --kind grammar or --kind choices."
        )
    return _of_kind(SUFFIXES[suffix], path)


def grammars_in(path: str, *, kind: str | None = None) -> list[str]:
    """The path itself; of a folder the files in it whose names tell their kind, with `kind` all files, sorted."""
    folder = Path(path)
    if path == "-" or not folder.is_dir():
        return [path]
    files = sorted(file for file in folder.rglob("*") if file.is_file())
    found = [str(file) for file in files if kind is not None or file.suffix.lower() in SUFFIXES]
    if not found:
        raise typer.BadParameter(f"{path}: there are no grammars in this folder; known are {', '.join(SUFFIXES)}.")
    return found


def _of_kind(kind: str, path: str) -> Source:
    if kind == "grammar":
        return Source("grammar", _grammar(path), shown(path))
    text = read_text(path)
    match kind:
        case "schema":
            return Source(kind, text, shown(path))
        case "regex":
            return Source(kind, text.removesuffix("\n"), shown(path))
        case "choices":
            return Source(kind, text.splitlines(), shown(path))
        case "structural-tag":
            from gcd.language import structural_tag

            return Source("grammar", structural_tag(text), shown(path))
    raise typer.BadParameter(f"--kind {kind} is none of schema, regex, grammar, choices and structural-tag.")


def _grammar(path: str) -> str | Path:
    """The text of a grammar, or the path of a file whose name says in which notation it is written."""
    text = read_text(path)
    return Path(path) if Path(path).suffix.lower() in (".gbnf", ".ebnf") else text


def shown(path: str) -> str:
    return "stdin" if path == "-" else path


def read_bytes(path: str) -> bytes:
    """The content of a file, or of stdin for `-`."""
    if path == "-":
        return sys.stdin.buffer.read()
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise typer.BadParameter(f"cannot read {path}: {(error.strerror or str(error)).lower()}.") from None


def read_text(path: str) -> str:
    """The same as text; a byte order mark is dropped."""
    data = read_bytes(path)
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise typer.BadParameter(
            f"{shown(path)} is not UTF-8: byte 0x{data[error.start]:02x} at offset {error.start}."
        ) from None


def with_options(
    sources: list[Source],
    *,
    schemas: Sequence[str] | None,
    key_order: str,
    formats: bool,
    additional: bool,
    approximate: str | None,
    strings: str,
    integers: str,
    digits: int,
) -> list[Source]:
    """The sources, of which those that are schemas have the options that say something."""
    if key_order not in ("schema", "any"):
        raise typer.BadParameter(f"--key-order {key_order} is neither schema nor any.")
    if strings not in ("any", "raw", "ascii"):
        raise typer.BadParameter(f"--strings {strings} is not any, raw or ascii.")
    if integers not in ("plain", "fraction"):
        raise typer.BadParameter(f"--integers {integers} is neither plain nor fraction.")
    if approximate not in (None, "over"):
        raise typer.BadParameter(f"--approximate {approximate} is not over.")
    given: dict[str, dict[str, object]] = {
        "--schemas": {"schemas": read_schemas(schemas)} if schemas else {},
        "--key-order": {"key_order": key_order} if key_order != "schema" else {},
        "--strings": {"strings": strings} if strings != "any" else {},
        "--integers": {"integers": integers} if integers != "plain" else {},
        "--digits": {"digits": digits} if digits != 64 else {},
        "--no-formats": {} if formats else {"formats": False},
        "--no-additional-properties": {} if additional else {"additional_properties": False},
        "--approximate": {"approximate": approximate} if approximate else {},
    }
    named = [name for name, options in given.items() if options]
    if named and all(source.kind != "schema" for source in sources):
        raise typer.BadParameter(f"{' and '.join(named)}: give a JSON Schema, which this is about, by --schema FILE.")
    options = {name: value for each in given.values() for name, value in each.items()}
    return [replace(source, options=options) if source.kind == "schema" else source for source in sources]


def with_imports(sources: list[Source], import_root: str | None) -> list[Source]:
    """The sources, of which the grammars may import files from a folder."""
    if import_root is None:
        return sources
    if not Path(import_root).is_dir():
        raise typer.BadParameter(f"--import-root {import_root}: this is no folder.")
    texts = [source for source in sources if source.kind == "grammar" and isinstance(source.value, str | Path)]
    if not texts:
        raise typer.BadParameter("--import-root is for the %import of a Lark grammar: give one.")
    options = {"import_root": Path(import_root)}
    return [replace(source, options=options) if source in texts else source for source in sources]


def read_schemas(paths: Sequence[str]) -> dict[str, object]:
    """URI -> schema of the files, and of the `.json` files in the folders.

    A schema goes by its `$id` where that is a whole URI, else by the name of its file, or its path in the folder: what
    it and its neighbours call each other when nobody has an `$id`.
    """
    found: dict[str, object] = {}
    for given in paths:
        path = Path(given)
        files = sorted(path.rglob("*.json")) if path.is_dir() else [path]
        if not files:
            raise typer.BadParameter(f"--schemas {given}: there are no .json files in this folder.")
        for file in files:
            name = file.relative_to(path).as_posix() if path.is_dir() else file.name
            schema = _json_or_text(read_text(str(file)))
            uri = _absolute_id(schema) or name
            if found.setdefault(uri, schema) != schema:
                raise typer.BadParameter(f"--schemas {file}: another schema is called {uri} already.")
    return found


def _json_or_text(text: str) -> object:
    """The value of JSON text; what is none is left to the library, which says where it is wrong."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def _absolute_id(schema: object) -> str | None:
    name = schema.get("$id", schema.get("id")) if isinstance(schema, dict) else None
    return name.partition("#")[0] if isinstance(name, str) and urlsplit(name).scheme else None


def read_whitespace(text: str) -> str | int:
    """The argument of --whitespace as the library takes it."""
    if text.isdecimal():
        return int(text)
    if text not in LAYOUTS:
        raise typer.BadParameter(f"--whitespace {text} is none of {', '.join(LAYOUTS)} and no number of spaces.")
    return text


def split_choices(arguments: Sequence[str]) -> list[str]:
    """All the texts of `--choices`, in order.

    >>> split_choices(["yes,no", '["well, maybe"]'])
    ['yes', 'no', 'well, maybe']
    """
    found: list[str] = []
    for argument in arguments:
        if not argument.startswith("["):
            found += argument.split(",")
            continue
        try:
            texts = json.loads(argument)
        except json.JSONDecodeError as error:
            raise typer.BadParameter(
                f"--choices {argument} begins like a JSON array and is none: {error.msg.lower()} "
                f"at column {error.colno}."
            ) from None
        if not all(isinstance(text, str) for text in texts):
            raise typer.BadParameter(f"--choices {argument} holds something that is no text.")
        found += texts
    return found


def load_type(name: str) -> object:
    """The Python object `module:Name` or `module:Outer.Inner`; modules in the working directory count."""
    import importlib

    module_name, colon, path = name.partition(":")
    if not (module_name and colon and path):
        raise typer.BadParameter(f"--type {name}: write it as module:Name, for example examples.person:Person.")
    if "" not in sys.path:
        sys.path.insert(0, "")
    try:
        found: object = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name is None or not (module_name == error.name or module_name.startswith(error.name + ".")):
            raise
        raise typer.BadParameter(f"--type {name}: no module {module_name!r} here or among the installed.") from None
    for part in path.split("."):
        if not hasattr(found, part):
            raise typer.BadParameter(f"--type {name}: the module has no {path!r}.")
        found = getattr(found, part)
    return found
