"""The library: examples, and random texts through independent parsers where there are some."""

from __future__ import annotations

import ast
import configparser
import csv
import io
import json
import keyword
import os
import random
import re
import sqlite3
import tomllib
import warnings
import xml.etree.ElementTree
from collections.abc import Callable
from datetime import date, datetime, time
from email.headerregistry import Address
from urllib.parse import urlsplit

import pytest
import yaml

from grammars.automaton import ByteAutomaton
from grammars.compile import compile_grammar
from grammars.errors import InvalidGrammar
from grammars.frontends.lark import parse_lark
from grammars.library import NAMES, examples, library
from grammars.lint import lint
from grammars.samples import Samples

SAMPLES = int(os.environ.get("GCD_LIBRARY_SAMPLES", "20"))


@pytest.fixture(scope="module", params=NAMES)
def grammar(request: pytest.FixtureRequest) -> tuple[str, ByteAutomaton]:
    return request.param, compile_grammar(parse_lark(library(request.param)))


def test_examples(grammar: tuple[str, ByteAutomaton]) -> None:
    name, automaton = grammar
    accepted, refused = examples(name)
    assert len(accepted) >= 2
    assert len(refused) >= 3
    assert [text for text in accepted if not automaton.accepts(text.encode("utf-8", "surrogatepass"))] == []
    assert [text for text in refused if automaton.accepts(text.encode())] == []


def test_nothing_in_it_was_hardly_meant(grammar: tuple[str, ByteAutomaton]) -> None:
    assert [str(finding) for finding in lint(grammar[1].source)] == []


def read_json_lines(text: str) -> None:
    for line in text.removesuffix("\n").split("\n"):
        json.loads(line)


def read_csv(text: str) -> None:
    list(csv.reader(io.StringIO(text, newline=""), strict=True))


def read_python(text: str) -> None:
    ast.parse(text.strip().replace("^", "**"), mode="eval")


def read_time(text: str) -> None:
    if "T" in text:
        datetime.fromisoformat(text)
    elif ":" in text:
        time.fromisoformat(text)
    else:
        date.fromisoformat(text)


def read_address(text: str) -> None:
    address = Address(addr_spec=text)
    assert address.addr_spec == text


def read_url(text: str) -> None:
    parts = urlsplit(text)
    assert parts.scheme in ("http", "https")
    assert parts.hostname
    assert parts.port is None or 0 < parts.port < 65536
    assert urlsplit(parts.geturl()).path == parts.path


def read_sql(text: str) -> None:
    """SQLite reads the whole query before it looks for tables: other errors are about these."""
    try:
        with sqlite3.connect(":memory:") as connection:
            connection.execute("EXPLAIN " + text)
    except sqlite3.OperationalError as error:
        if any(word in str(error) for word in ("syntax error", "unrecognized token", "incomplete")):
            raise


def read_toml(text: str) -> None:
    try:
        tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        if not any(word in str(error) for word in ("overwrite", "declare", "mutate", "redefine")):  # keys that repeat
            raise


def read_ini(text: str) -> None:
    configparser.ConfigParser(strict=False, interpolation=None, allow_no_value=False).read_string(text)


def read_xml(text: str) -> None:
    xml.etree.ElementTree.fromstring(f"<div>{text.replace('&quot;', '&#34;')}</div>")


def read_module(text: str) -> None:
    """Python's compiler also says where return and break stand; what is left to it is that names differ."""
    try:
        with warnings.catch_warnings(action="ignore", category=SyntaxWarning):  # 1 is 1
            compile(text, "module", "exec")
    except SyntaxError as error:
        if not any(word in str(error) for word in ("duplicate argument", "keyword argument repeated")):
            raise


def read_c(text: str) -> None:
    pytest.importorskip("pycparser.c_parser").CParser().parse(text)


def read_graphql(text: str) -> None:
    pytest.importorskip("graphql").parse(text)


def read_brackets(text: str) -> None:
    """Each bracket opens a label and words, or a label and brackets."""
    innermost = re.compile(r"\([^() ]+( [^() ]+| \0)+\)")
    text = text.removeprefix("( ").removesuffix(" )")
    while text != "\0":
        text, found = innermost.subn("\0", text)
        assert found


READERS: dict[str, Callable[[str], object]] = {
    "arithmetic": read_python,
    "c_function": read_c,
    "csv": read_csv,
    "email": read_address,
    "graphql_query": read_graphql,
    "html": read_xml,
    "ini": read_ini,
    "iso_8601": read_time,
    "json": json.loads,
    "json_lines": read_json_lines,
    "ptb_parse": read_brackets,
    "python_expression": lambda text: ast.parse(text, mode="eval"),
    "python_statements": read_module,
    "sql_select": read_sql,
    "toml": read_toml,
    "url": read_url,
    "xml": xml.etree.ElementTree.fromstring,
    "yaml": yaml.safe_load,
}


@pytest.mark.parametrize("name", READERS)
def test_random_texts_are_read_by_others(name: str) -> None:
    samples = Samples(parse_lark(library(name)), 160)
    rng = random.Random(20)
    for _ in range(SAMPLES):
        text = samples.draw(rng).decode()
        try:
            READERS[name](text)
        except Exception as error:
            pytest.fail(f"{name}: {text!r}: {error!r}")


def test_sqlite_refuses_what_is_refused() -> None:
    for text in examples("sql_select")[1]:
        if text.startswith("SELECT"):
            with pytest.raises(sqlite3.OperationalError):
                read_sql(text)


@pytest.mark.parametrize("name", ["c_function", "graphql_query", "python_statements", "xml"])
def test_others_refuse_what_is_refused(name: str) -> None:
    """All but what they have in their languages, or do not look at."""
    beyond = {"<other/>", "{ }", "void f(void) {\n  break;\n}\n"}
    for text in examples(name)[1]:
        if text not in beyond:
            with pytest.raises(Exception, match=r"."):
                READERS[name](text)


def test_names_are_no_keywords() -> None:
    python = compile_grammar(parse_lark(library("python_expression")))
    constants = {"True", "False", "None"}
    accepted = {word for word in keyword.kwlist if python.accepts(word.encode())}
    assert accepted == constants
    rng = random.Random(1)
    for word in keyword.kwlist:
        for other in (word + rng.choice("ax_0"), word[:-1], "_" + word, word.upper()):
            is_name = other.isidentifier() and not keyword.iskeyword(other)
            assert python.accepts(other.encode()) == (is_name or other in constants), other
    select = compile_grammar(parse_lark(library("sql_select")))
    for word in ("select", "from", "order", "isnull", "values"):
        assert not select.accepts(f"SELECT {word} FROM t".encode())
        assert select.accepts(f'SELECT {word}s, "{word}", {word[:-1]}_ FROM t'.encode())


def test_a_name_that_is_not_there() -> None:
    with pytest.raises(InvalidGrammar) as caught:
        library("sql")
    assert str(caught.value) == f"the library has no grammar 'sql'\nit has {', '.join(NAMES)}"
    with pytest.raises(InvalidGrammar) as caught:
        library("jsonlines")
    assert str(caught.value) == "the library has no grammar 'jsonlines'\ndid you mean 'json_lines'?"
