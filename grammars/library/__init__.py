"""Ready-made Lark grammars, one a file, each exact about what it covers: `gcd.library("json")` is the text of one.

The head of each file says what is in the language and what is not. Lines `//+ "..."` and `//- "..."` are texts, as JSON
strings, that it accepts and refuses; the tests run them, and put random texts through an independent parser where there
is one.
"""

from __future__ import annotations

import difflib
import json
from importlib.resources import files

from grammars.errors import InvalidGrammar

__all__ = ["NAMES", "examples", "library"]

NAMES = (
    "arithmetic", "c_function", "csv", "cypher_query", "email", "graphql_query", "html", "ini", "iso_8601",
    "json", "json_lines", "pgn_moves", "ptb_parse", "python_expression", "python_statements", "robot_plan",
    "smiles", "sql_select", "toml", "typescript_types", "url", "xml", "yaml",
)  # fmt: skip


def library(name: str) -> str:
    """The text of a grammar of the library, to be given as `grammar=`.

    >>> library("arithmetic").splitlines()[0]
    '// Arithmetic: ...'

    Raises `InvalidGrammar` for a name that is not in `NAMES`.
    """
    if name not in NAMES:
        near = difflib.get_close_matches(name, NAMES, n=1)
        raise InvalidGrammar(
            f"the library has no grammar {name!r}",
            hint=f"did you mean {near[0]!r}?" if near else f"it has {', '.join(NAMES)}",
        )
    return (files(__name__) / f"{name}.lark").read_text(encoding="utf-8")


def examples(name: str) -> tuple[list[str], list[str]]:
    """Texts that a grammar of the library accepts, and texts that it refuses, as its file says."""
    lines = library(name).splitlines()
    accepted = [json.loads(line.removeprefix("//+")) for line in lines if line.startswith("//+")]
    refused = [json.loads(line.removeprefix("//-")) for line in lines if line.startswith("//-")]
    return accepted, refused
