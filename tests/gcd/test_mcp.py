"""The MCP server, by the package's own client, over stdio and in the process."""

from __future__ import annotations

import asyncio
import json
import re
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("mcp", reason="the extra mcp is not installed")

from mcp import Client, StdioServerParameters
from tiny_models import byte_tokenizer, tiny_byte_model
from typer.testing import CliRunner

import gcd
from gcd.cli.app import app
from gcd.integrations.mcp import make_server

PERSON = {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]}


def talk(server: Any, say: Callable[[Client], Awaitable[Any]]) -> Any:
    async def session() -> Any:
        async with Client(server) as client:
            return await say(client)

    return asyncio.run(session())


def ask(server: Any, tool: str, **arguments: Any) -> tuple[bool, Any]:
    """Whether the call went well, and its result or the text of its error."""
    result = talk(server, lambda client: client.call_tool(tool, arguments))
    if result.is_error:
        return False, result.content[0].text
    return True, result.structured_content


@pytest.fixture(scope="module")
def server() -> Any:
    return make_server(gcd.TransformersLM(tiny_byte_model(), byte_tokenizer()), max_characters=2000)


def test_a_host_starts_it_and_calls_its_tools() -> None:
    """As a host does: a process, stdin and stdout, and nothing else on them."""
    root = str(Path(gcd.__file__).parents[1])
    parameters = StdioServerParameters(
        command=sys.executable, args=["-m", "gcd.cli", "mcp", "--model", "not-loaded"], cwd=root,
        env={"PYTHONPATH": root},
    )  # fmt: skip

    async def say(client: Client) -> tuple[Any, ...]:
        return await client.list_tools(), await client.call_tool("validate", {"text": "2024", "regex": "[0-9]{4}"})

    tools, valid = talk(parameters, say)
    assert [tool.name for tool in tools.tools] == ["validate", "explain", "generate"]
    for tool in tools.tools:
        assert not re.search("path|file|folder|model$", " ".join(tool.input_schema["properties"]))
    assert valid.structured_content == {"match": True, "offset": 4, "expected": None, "errors": []}


def test_validate(server: Any) -> None:
    text = '{"name": 5}'
    refused = {"match": False, "offset": 9, "expected": "tab-newline, carriage return, space or '\"'", "errors": []}
    assert ask(server, "validate", text=text, json_schema=PERSON) == (True, refused)
    accepted = {"match": True, "offset": 13, "expected": None, "errors": []}
    assert ask(server, "validate", text='{"name": "x"}', json_schema=PERSON) == (True, accepted)
    assert ask(server, "validate", text="no", choices=["yes", "no"])[1]["match"]


def test_explain(server: Any) -> None:
    _, found = ask(server, "explain", text="1+", grammar='start: N ("+" N)*\nN: /[0-9]+/')
    assert found["explanation"].startswith("text: no match, it ends too early\ncharacters: '0'-'9'\nterminals: N\n")
    assert {"match", "offset", "line", "column", "rules", "terminals", "characters"} <= found.keys()


def test_generate(server: Any) -> None:
    good, made = ask(server, "generate", prompt="x", json_schema={"enum": [{"a": 1}]}, max_new_tokens=60)
    assert good
    assert made["value"] == {"a": 1} == json.loads(made["text"])
    assert made["finish_reason"] in ("stop", "length")
    chat = ask(server, "generate", prompt="x", regex="[ab]{3}", chat=True, temperature=1.0, seed=3)
    assert chat == ask(server, "generate", prompt="x", regex="[ab]{3}", chat=True, temperature=1.0, seed=3)


WHICH = "say what the language is by exactly one of json_schema, regex, grammar, choices"


@pytest.mark.parametrize(
    ("tool", "arguments", "message"),
    [
        ("validate", {"text": "a"}, WHICH),
        ("validate", {"text": "a", "regex": "a", "choices": ["a"]}, WHICH),
        ("validate", {"text": "a", "regex": "(a"}, "this ( is never closed (line 1, column 1)"),
        ("explain", {"text": "a", "json_schema": {"type": "text"}}, "text"),
        ("generate", {"prompt": "a", "choices": []}, "choices"),
        ("generate", {"prompt": "a", "regex": "a{9}", "max_new_tokens": 3}, "max_new_tokens=3"),
        ("validate", {"text": "a" * 2001, "regex": "a"}, "the arguments have more than 2,000 characters"),
        ("generate", {"prompt": "a", "regex": "a", "temperature": -1}, "temperature"),
    ],
)
def test_mistakes_are_told_to_the_caller(server: Any, tool: str, arguments: dict[str, Any], message: str) -> None:
    good, said = ask(server, tool, **arguments)
    assert not good
    assert message in said


def test_no_text_is_a_path(server: Any, tmp_path: Path) -> None:
    """Nobody learns which files there are, and no file is read."""
    (tmp_path / "here").write_text("start: 'a'")
    said = [ask(server, "validate", text="a", grammar=str(tmp_path / name))[1] for name in ("here", "gone")]
    assert said[0] == said[1].replace("gone", "here")
    assert "looks like" not in said[0]


def test_without_the_package_the_command_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "mcp", None)
    monkeypatch.setattr("gcd.cli.mcp.find_spec", lambda name: None)
    result = CliRunner().invoke(app, ["mcp"])
    assert result.exit_code == 2
    said = " ".join(result.stderr.replace("│", " ").split())
    assert "the package mcp is not installed: pip install 'gcd-decoding[mcp]'" in said
