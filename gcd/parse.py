"""What a user wants -> Wanted: the grammar of its texts on one side, the value of a text on the other.

Place in the walk: the two ends of it. A schema, a Python type, a regex, a grammar or choices becomes a Grammar for
the engine, and a finished text becomes the value that was asked for, validated as a last assertion. No tokenizer, no
model. A str is always text; a file is a `pathlib.Path`.
"""

from __future__ import annotations

import json
import types
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeAlias, Unpack, cast

from gcd.calls import Tools, are_functions, tools, wanted_tools
from gcd.errors import GrammarError, InvalidGrammar, LimitExceeded, ValidationFailed
from gcd.partials import Shape
from grammars.frontends.schema_options import DEFAULTS

if TYPE_CHECKING:
    from grammars.frontends.json_schema.registry import Schemas
    from grammars.frontends.python_types import PythonType
    from grammars.frontends.schema_options import SchemaOptions
    from grammars.ir import Grammar

__all__ = ["Kind", "Wanted", "about_text", "check_options", "key_of", "loaded", "parse_wanted", "reasons", "text_of"]

Kind: TypeAlias = Literal["schema", "regex", "grammar", "choices"]

_encode = json.JSONEncoder(ensure_ascii=False).encode


@dataclass(frozen=True, slots=True)
class Wanted:
    """One of the four ways to say what is wanted, read.

    `key` is equal only for what has the same texts and the same values; `owner` keeps alive what the key names by id.
    `to_grammar()` may raise any GrammarError. `to_value(text)` raises ValidationFailed, and only reads with
    `validate=False`. `schema` is the JSON Schema, for the kinds that have one, and `options` are its. `shape()`: how to
    show values before the text is complete. `to_lazy()`: the same grammar, of which some rules are made later.
    """

    kind: Kind
    key: tuple[object, ...]
    to_grammar: Callable[[], Grammar]
    to_value: Callable[..., object]
    schema: dict[str, object] | bool | str | None = None
    options: SchemaOptions = field(default_factory=dict)  # type: ignore[assignment]
    owner: object = None
    shape: Callable[[], Shape] = Shape
    to_lazy: Callable[[], Grammar] | None = None


def parse_wanted(
    *, schema: object = None, regex: object = None, grammar: object = None, choices: object = None,
    import_root: Path | None = None, **options: Unpack[SchemaOptions],
) -> Wanted:  # fmt: skip
    """What is wanted, from exactly one of the four.

    >>> parse_wanted(regex="[0-9]+").to_value("17")
    '17'

    `import_root` is the folder under which a Lark grammar may import files, which are read anew each time. The options
    are of schemas (`schema_options`). Raises TypeError for none or several of the four, and for options
    without a schema but `whitespace`; InvalidGrammar for a value of the wrong Python type.
    """
    given = {"schema": schema, "regex": regex, "grammar": grammar, "choices": choices}
    found = [name for name, value in given.items() if value is not None]
    if len(found) != 1:
        got = " and ".join(f"{name}=" for name in found) or "none of them"
        raise TypeError(f"say what is wanted by exactly one of schema=, regex=, grammar=, choices=; got {got}")
    if import_root is not None and (found != ["grammar"] or not isinstance(grammar, str | Path)):
        raise TypeError("import_root= is for the %import of a Lark grammar: it goes with grammar=, as text or a path")
    if found == ["schema"]:
        return _wanted_schema(schema, options)
    check_options(options, "it goes with schema=")
    if found == ["grammar"]:
        return _wanted_grammar(grammar, import_root)
    return _wanted_regex(regex) if found == ["regex"] else _wanted_choices(choices)


def check_options(options: SchemaOptions, where: str) -> None:
    """Raises TypeError for options that only a schema takes, saying where they go; any text may be JSON with gaps."""
    for name in options:
        if name != "whitespace":
            raise TypeError(f"{name}= is about a JSON Schema: {where}")


def _wanted_schema(schema: object, options: SchemaOptions) -> Wanted:
    source: object = text_of("schema", schema) if isinstance(schema, str | Path) else schema
    if isinstance(source, list | tuple) and are_functions(source):
        source = tools(*source)
    if isinstance(source, Tools):
        return wanted_tools(source, options, schema)
    if isinstance(source, float | int | bytes | list | tuple | set | types.ModuleType) and not isinstance(source, bool):
        raise InvalidGrammar(
            f"schema= takes a dict, a bool, JSON text, a pathlib.Path or a Python type, not {_shown(schema)}"
        )
    if not isinstance(source, dict | bool | str):
        return _wanted_type(source, options)
    try:
        text = source if isinstance(source, str) else _encode(source)
    except (TypeError, ValueError) as error:
        raise InvalidGrammar(f"the schema is no JSON value: {error}") from error
    except RecursionError:
        raise LimitExceeded("the schema is nested too deeply to be read") from None

    def to_grammar() -> Grammar:
        from grammars.frontends.json_schema import parse_json_schema

        return _with_path_hint("schema", schema, partial(parse_json_schema, source, **options))

    def to_lazy() -> Grammar:
        from grammars.frontends.json_schema import parse_json_schema

        ours: object = source if isinstance(source, str) else _copy(text)  # what others hold might change
        if ours != source:  # keys that are no strings, say
            return to_grammar()
        return _with_path_hint("schema", schema, partial(parse_json_schema, ours, waits=True, **options))

    def to_value(text: str, *, validate: bool = True) -> object:
        if validate:
            from gcd.validate import validate as check

            read = json.loads(source) if isinstance(source, str) else source
            check(text, read, schemas=options.get("schemas"), formats=options.get("formats", True))
        return _load_json(text)

    key = ("schema", text, *key_of(options))
    shape = partial(Shape, is_json=True)
    return Wanted("schema", key, to_grammar, to_value, source, options, shape=shape, to_lazy=to_lazy)


def _copy(text: str) -> object:
    """The value of JSON text; None where it is not to be had, as with an integer of more than 4,300 digits."""
    try:
        value: object = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return value


def key_of(options: SchemaOptions) -> tuple[object, ...]:
    """What is equal for equal options only."""
    if not options:
        return _DEFAULT_KEY
    others = tuple([options.get(name, default) for name, default in DEFAULTS.items() if name != "schemas"])
    return (*others, *map(type, others), _text_of(options.get("schemas")))


def _text_of(schemas: Schemas | None) -> str:
    """A text that is equal for equal schemas beside; raises `InvalidGrammar` for what is none."""
    if schemas is None:
        return ""
    from grammars.frontends.json_schema.registry import read_schemas

    try:
        return json.dumps(read_schemas(schemas), ensure_ascii=False)
    except GrammarError:
        raise
    except (TypeError, ValueError) as error:
        raise InvalidGrammar(f"schemas= has a schema that is no JSON value: {error}") from error
    except RecursionError:
        raise LimitExceeded("schemas= has a schema that is nested too deeply to be read") from None


_DEFAULT_KEY = key_of(cast("SchemaOptions", DEFAULTS))


def _wanted_type(wanted: object, options: SchemaOptions) -> Wanted:
    from grammars.frontends.python_types import describe_type

    described = describe_type(wanted)

    def to_grammar() -> Grammar:
        from grammars.frontends.json_schema import parse_json_schema

        return parse_json_schema(described.schema, **options)

    def to_value(text: str, *, validate: bool = True) -> object:
        return loaded(described, text)

    # the same language may belong to several types, whose values differ
    key = ("type", id(wanted), json.dumps(described.schema), *key_of(options))
    shape = partial(Shape, is_json=True, core=described.core)
    return Wanted("schema", key, to_grammar, to_value, described.schema, options, wanted, shape)


def loaded(described: PythonType, text: str) -> object:
    """The instance that a text is read as; raises ValidationFailed with one line for each thing that is wrong."""
    try:
        return described.load(text)
    except ValueError as error:  # pydantic's ValidationError is one
        raise ValidationFailed(text, reasons(error)) from error


def _wanted_regex(regex: object) -> Wanted:
    pattern = text_of("regex", regex)

    def to_grammar() -> Grammar:
        from grammars.frontends.regex import parse_regex
        from grammars.ir import Grammar

        return _with_path_hint("regex", regex, lambda: Grammar({"start": parse_regex(pattern)}, source=pattern))

    return Wanted("regex", ("regex", pattern), to_grammar, _same_text)


def _wanted_grammar(grammar: object, import_root: Path | None) -> Wanted:
    """A Lark grammar, or one in GBNF: as the name of a file says it, else as the text begins."""
    from gcd.language import Language

    if isinstance(grammar, Language):
        return Wanted("grammar", ("language", id(grammar)), lambda: grammar.grammar, _same_text, owner=grammar)
    text = text_of("grammar", grammar)
    suffix = grammar.suffix.lower() if isinstance(grammar, Path) else ""

    def to_grammar() -> Grammar:
        from grammars.frontends.gbnf import is_gbnf, parse_gbnf
        from grammars.frontends.lark import parse_lark

        gbnf = suffix in (".gbnf", ".ebnf") or (suffix != ".lark" and is_gbnf(text))
        parse = partial(parse_gbnf, text) if gbnf else partial(parse_lark, text, import_root=import_root)
        return _with_path_hint("grammar", grammar, parse)

    key = ("grammar", suffix, text) if import_root is None else ("imports", object())  # what it imports may change
    return Wanted("grammar", key, to_grammar, _same_text)


def _wanted_choices(choices: object) -> Wanted:
    members = choices
    if isinstance(choices, Path):
        members = choices.read_text(encoding="utf-8").splitlines()
    if isinstance(members, str) or not isinstance(members, Sequence) or not all(isinstance(m, str) for m in members):
        raise InvalidGrammar(
            f"choices= takes a sequence of str, or a pathlib.Path with one a line, not {_shown(choices)}",
            hint=None
            if isinstance(members, str | set | frozenset)
            else "Values other than str are an enum: schema={'enum': [...]}, schema=Literal[...] or an Enum."
            if isinstance(members, Sequence)
            else "A Literal or an Enum goes into schema=.",
        )
    texts = tuple(members)

    def to_grammar() -> Grammar:
        from grammars.frontends.choices import parse_choices

        return parse_choices(texts)

    return Wanted("choices", ("choices", texts), to_grammar, _same_text)


def text_of(kind: Kind, source: object) -> str:
    """The text of a str or of the file at a Path."""
    if isinstance(source, Path):
        try:
            text = source.read_text(encoding="utf-8")
        except OSError as error:
            raise InvalidGrammar(f"{kind}= names a file that cannot be read: {source}: {error.strerror}") from error
        return text.removesuffix("\n") if kind == "regex" else text
    if isinstance(source, str):
        return source
    raise InvalidGrammar(f"{kind}= takes a str or a pathlib.Path, not {_shown(source)}")


def _with_path_hint(kind: Kind, source: object, parse: Callable[[], Grammar]) -> Grammar:
    """What `parse()` returns; its error is about a path when the text that it could not read looks like one."""
    try:
        return parse()
    except GrammarError as error:
        if not isinstance(source, str) or not _looks_like_path(source):
            raise
        raise InvalidGrammar(
            f"{kind}= takes a str as text, and {source!r} looks like the name of a file",
            hint=f"A file is a pathlib.Path: {kind}=Path({source!r}).",
        ) from error


def about_text(error: Exception) -> Exception:
    """The error in a text that is no path, whatever it looks like: who asks from afar is not to learn what files exist.

    For servers: they take texts alone.
    """
    if isinstance(error, InvalidGrammar) and isinstance(error.__cause__, GrammarError):
        return error.__cause__
    return error


def _looks_like_path(text: str) -> bool:
    if len(text) > 1000 or "\n" in text or "\0" in text or not text.strip():
        return False
    path = Path(text)
    return path.suffix in {".json", ".lark", ".gbnf", ".ebnf", ".regex", ".txt"} or path.is_file()


def _load_json(text: str) -> object:
    try:
        value: object = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValidationFailed(text, [f"it is not read as JSON: {error}"]) from error
    return value


def _same_text(text: str, *, validate: bool = True) -> object:
    return text


def reasons(error: ValueError) -> list[str]:
    """One line for each thing that a validator dislikes, with where it is."""
    details = getattr(error, "errors", None)
    if not callable(details):
        return [str(error)]
    return [f"{'.'.join(map(str, item['loc'])) or 'value'}: {item['msg']}" for item in details()]


def _shown(value: object) -> str:
    text = repr(value)
    return f"{type(value).__name__} ({text if len(text) <= 60 else text[:59] + '…'})"
