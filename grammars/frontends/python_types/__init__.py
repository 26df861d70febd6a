"""Python types: type in, JSON Schema out, and text back to an instance.

Place in the walk: Python type -> **PythonType** (JSON Schema + loader) -> `grammars.frontends.json_schema` -> Grammar.

    describe.py      a type or function to a PythonType: the only public road through the files below
    arguments.py     a function to the TypedDict of its arguments (the function itself is never called)
    calls.py         functions to calls of them, told apart by name
    walk.py          what every step needs: the place in the type, the definitions, the refusals
    structures.py    models, dataclasses, dicts, lists, unions: pydantic core schema to JSON Schema
    members.py       what a set must know of its items
    known.py         what functions of pydantic's own take
    scalars.py       numbers, strings, dates, enums, URLs: the same for what has no fields
    documentation.py titles, descriptions, json_schema_extra, WithJsonSchema
    keys.py          the keys of a dict as names of properties
    temporal.py      dates, times, durations as regular expressions
    moments.py       times and datetimes between bounds
    decimals.py      decimals between bounds, with limited digits, as regular expressions
    alternatives.py  a finite set of strings as a short regular expression
    rust_regex.py    the regex dialects of pydantic (Rust, Python) to that of JSON Schema (ECMA-262)

pydantic's own JSON Schema is wider than its types: `Decimal` may be "hello", `dict[int, str]` has any key, a datetime
may lie in the year 0000. Overriding it method by method would inherit the width of whatever a new pydantic adds. So the
schema is read from the core schema, which is what validates, by tables in which all that is unknown is refused by name.

Two laws: every text of the language validates (`tests/laws/test_type_laws.py`), and every value that has a JSON text
has one in the language; exceptions to the second are stated where they are made (limited digits, plain URLs).

What no automaton holds stays for the end: functions (validators before, after, around or in place of a type, those of
models, predicates), dates relative to today, files that must exist, and JSON nested deeper than the 200 levels that
pydantic reads. The schema then describes what surrounds the function, and `PythonType.load` has the last word.
"""

from __future__ import annotations

from grammars.frontends.python_types.describe import PythonType, describe_type, is_python_type

__all__ = ["PythonType", "describe_type", "is_python_type"]
