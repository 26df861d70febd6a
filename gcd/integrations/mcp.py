"""An MCP server with three tools: is a text in a language, why is it not, and let a model write one.

Place in the walk: beside the command line, whose words it uses. Everything comes as text in the arguments: no tool
takes a path, loads another model than the one that the server was started with, or fetches anything. Needs the extra
`mcp`.

    gcd mcp --model smollm2          # over stdio, as MCP hosts start it
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field

from gcd.cli.explain import Explanation, examine
from gcd.cli.sources import Source
from gcd.errors import AlignmentError, GenerationError, GrammarError
from gcd.parse import about_text

if TYPE_CHECKING:
    from collections.abc import Callable

    from mcp.server import MCPServer

__all__ = ["make_server"]

MAX_CHARACTERS = 100_000
"""Of a grammar, a text or a prompt."""

INSTRUCTIONS = (
    "Exact languages of texts: JSON Schema, regular expressions, Lark or GBNF grammars, choices. `validate` says "
    "whether a text is in one, `explain` where it leaves it and what was allowed there, `generate` lets a language "
    "model write a text that is in it. Say which by exactly one of json_schema, regex, grammar, choices."
)

JsonSchema = Annotated[dict[str, Any] | bool | None, Field(description="A JSON Schema, draft 4 to 2020-12.")]
Regex = Annotated[str | None, Field(description="A regular expression for the whole text, in Python's dialect.")]
Grammar = Annotated[str | None, Field(description="The text of a grammar in Lark or GBNF.")]
Choices = Annotated[list[str] | None, Field(description="The texts to choose from.")]


def make_server(model: object = "smollm2", *, max_characters: int = MAX_CHARACTERS) -> MCPServer[Any]:
    """The server, to be `.run()` over stdio; the model, or one by that name, is loaded when it is first asked.

    Raises ModuleNotFoundError without the package `mcp`.
    """
    from mcp.server import MCPServer
    from mcp.server.mcpserver.exceptions import ToolError

    lock = threading.Lock()  # one generation at a time: more would only share the processor

    def told(work: Callable[[Source], dict[str, Any]], source: Source, *texts: str) -> dict[str, Any]:
        """What `work` returns; the errors of the user's as such, which the calling model reads."""
        if sum(map(len, (repr(source.value), *texts))) > max_characters:
            raise ToolError(f"the arguments have more than {max_characters:,} characters")
        try:
            return work(source)
        except (GrammarError, AlignmentError, GenerationError) as error:
            raise ToolError(str(about_text(error))) from error

    def validate(
        text: Annotated[str, Field(description="The text that is asked about.")],
        json_schema: JsonSchema = None, regex: Regex = None, grammar: Grammar = None, choices: Choices = None,
    ) -> dict[str, Any]:  # fmt: skip
        """Say whether a text is in a language, with the reasons why not."""
        source = _source(ToolError, json_schema, regex, grammar, choices)
        return told(lambda source: _verdict(_explained(source, text)), source, text)

    def explain(
        text: Annotated[str, Field(description="The text that is asked about.")],
        json_schema: JsonSchema = None, regex: Regex = None, grammar: Grammar = None, choices: Choices = None,
    ) -> dict[str, Any]:  # fmt: skip
        """Say where a text leaves a language, what was allowed there, and which rules were being read."""
        source = _source(ToolError, json_schema, regex, grammar, choices)
        return told(lambda source: _whole(_explained(source, text)), source, text)

    def generate(
        prompt: Annotated[str, Field(description="What the model continues.")],
        json_schema: JsonSchema = None, regex: Regex = None, grammar: Grammar = None, choices: Choices = None,
        chat: Annotated[bool, Field(description="Send the prompt as a chat message.")] = False,
        temperature: Annotated[float, Field(ge=0, le=10, description="0 takes the likeliest token each time.")] = 0.0,
        max_new_tokens: Annotated[int, Field(ge=1, le=4096, description="The budget of the text.")] = 512,
        seed: Annotated[int, Field(ge=0, description="The same seed gives the same text.")] = 0,
    ) -> dict[str, Any]:  # fmt: skip
        """Let a language model continue a prompt so that what it writes is in a language, complete."""
        source = _source(ToolError, json_schema, regex, grammar, choices)
        options: dict[str, Any] = {"temperature": temperature, "max_new_tokens": max_new_tokens, "seed": seed}
        given = [{"role": "user", "content": prompt}] if chat else prompt
        with lock:
            return told(lambda source: _generated(model, given, source, options), source, prompt)

    server = MCPServer("gcd", instructions=INSTRUCTIONS, log_level="WARNING")
    for tool in (validate, explain, generate):
        server.add_tool(tool)
    return server


def _source(error: type[Exception], json_schema: object, regex: object, grammar: object, choices: object) -> Source:
    given = {"schema": json_schema, "regex": regex, "grammar": grammar, "choices": choices}
    found = [(kind, value) for kind, value in given.items() if value is not None]
    if len(found) != 1:
        raise error("say what the language is by exactly one of json_schema, regex, grammar, choices")
    ((kind, value),) = found
    return Source(kind, value, {"schema": "json_schema"}.get(kind, kind))  # type: ignore[arg-type]


def _explained(source: Source, text: str) -> Explanation:
    return examine(source, "text", text.encode("utf-8", "surrogateescape"), None)


def _verdict(found: Explanation) -> dict[str, Any]:
    instance = found.instance
    expected = None if instance.match or instance.errors else instance.allowed
    return {"match": instance.match, "offset": instance.offset, "expected": expected, "errors": list(instance.errors)}


def _whole(found: Explanation) -> dict[str, Any]:
    facts = found.to_json()
    return {
        "explanation": str(found),
        **{name: value for name, value in facts.items() if name not in ("text", "tokens")},
    }


def _generated(model: object, prompt: Any, source: Source, options: dict[str, Any]) -> dict[str, Any]:
    import gcd
    from gcd.cli.generate import record

    made = record(
        gcd.generate(gcd.load(model) if isinstance(model, str) else model, prompt, **source.keywords, **options)
    )
    return {name: made[name] for name in ("text", "value", "finish_reason", "logprob")}
