"""Turn: one turn of a chat, whichever endpoint asks for it: what is continued, what is wanted of it, and its reader.

Place in the walk: messages × Ask × Goal × Toolbox -> **Turn** -> pieces -> parts. `gcd.serve.chat` and
`gcd.serve.responses` know the shapes of OpenAI's two endpoints, and nothing of this.
"""

from __future__ import annotations

import asyncio
import codecs
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from gcd.errors import RequestError
from gcd.parse import parse_wanted
from gcd.prompts import encode_text
from gcd.serve.ask import Ask
from gcd.serve.calls import Arguments, Begun, Content, Part, PartReader, Thought
from gcd.serve.constraints import Goal
from gcd.serve.fields import Fields, shown
from gcd.serve.formats import HERMES, Layout, format_of, template_of, thinking_of
from gcd.serve.messages import chat_text, told_schema
from gcd.serve.settings import Settings
from gcd.serve.text import Piece
from gcd.serve.tools import Toolbox, layout_goal

if TYPE_CHECKING:
    from gcd.serve.engine import Engine

__all__ = ["Call", "TextReader", "Turn", "Wishes", "check_model", "read_wishes", "stop_truncates", "take_turn"]


SWITCHES = ("enable_thinking", "thinking")
"""What chat templates call it whether the model thinks: Qwen's name, and DeepSeek's."""


@dataclass(slots=True)
class Call:
    """A call of a tool, its arguments as far as they are there; `id` is what its result will be given for."""

    name: str
    arguments: str = ""
    id: str = field(default_factory=lambda: f"call_{secrets.token_hex(12)}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Wishes:
    """How a request wants the model to think: in at most `budget` tokens; `options` are for the chat template."""

    budget: int | None = None
    options: Mapping[str, Any] = field(default_factory=dict)


def read_wishes(fields: Fields, settings: Settings) -> Wishes:
    """`thinking_token_budget`, `reasoning_effort` or `reasoning.effort`, and switches in `chat_template_kwargs`."""
    found: dict[str, Any] = {}
    budget = fields.integer("thinking_token_budget", 0, settings.max_tokens)
    effort = fields.of(str, "reasoning_effort") or (fields.within("reasoning") or Fields({})).of(str, "effort")
    if effort is not None:
        found |= {"enable_thinking": False, "thinking": False} if effort == "none" else {"reasoning_effort": effort}
    given = fields.within("chat_template_kwargs") or Fields({})
    for name, value in given.value.items():
        if name not in SWITCHES or not isinstance(value, bool):
            raise given.fail(
                name, f"is not supported, and not ignored: {shown(value)}; {' and '.join(SWITCHES)} are true or false",
                code="unsupported_parameter",
            )  # fmt: skip
        found[name] = value
    return Wishes(budget=budget, options=found)


@dataclass(frozen=True, slots=True)
class Turn:
    """`answer` is what a text that calls no tool must be, `goal` what any text must be."""

    prompt_ids: list[int]
    ask: Ask
    goal: Goal | None
    answer: Goal | None
    toolbox: Toolbox | None
    layout: Layout
    thoughts: int | None = None
    """The most tokens of what the model thinks."""


def take_turn(
    engine: Engine,
    messages: list[dict[str, Any]],
    ask: Ask,
    answer: Goal | None,
    toolbox: Toolbox | None,
    wishes: Wishes,
) -> Turn:
    """The turn that answers the messages; raises RequestError where its wishes do not go together."""
    calling = toolbox is not None and bool(toolbox.callable)
    if calling and answer is not None and answer.check is None:
        raise RequestError(
            f"{answer.param} cannot be combined with tools: a JSON Schema can, in response_format",
            param=answer.param, code="unsupported_parameter",
        )  # fmt: skip
    if ask.stops and answer is not None:
        raise stop_truncates(answer)
    template = template_of(engine.tokenizer)
    own = format_of(template)
    if own is not None and answer is not None and own.untagged:
        own = None  # a value could be read as a call
    tools = toolbox.shown if calling and toolbox is not None else ()
    if answer is not None and answer.schema is not None:
        messages = told_schema(messages, answer.schema, calling=calling)
    text = chat_text(messages, tools, engine.tokenizer, calls=own, options=wishes.options)
    thinking, opened = thinking_of(template, text)
    calls = (own or HERMES) if calling else None
    layout = Layout(calls=calls, thinking=thinking, opened=opened, answers=answer is not None)
    bounded = thinking is not None and wishes.budget is not None
    goal = layout_goal(layout, toolbox, answer, engine.vocabulary.special_tokens, bounded=bounded)
    if calling and goal is not None and len(goal.key.encode()) > engine.settings.max_schema:
        raise RequestError(
            f"the tools are larger than the {engine.settings.max_schema:,} bytes that this server allows",
            param="tools", code="schema_too_large",
        )  # fmt: skip
    prompt_ids = encode_text(engine.tokenizer, text, special=False)
    return Turn(prompt_ids, ask, goal, answer, toolbox, layout, wishes.budget)


def check_model(fields: Fields, engine: Engine) -> None:
    """Raises RequestError unless the request means the model that is served: none is ever loaded for a request."""
    name = fields.of(str, "model")
    if name is None:
        raise fields.fail("model", f"is missing: it is {engine.name!r} here", code="missing")
    if name != engine.name:
        raise RequestError(
            f"there is no model {shown(name)} here: {engine.name!r} is served",
            param="model", code="model_not_found", status=404,
        )  # fmt: skip


def stop_truncates(goal: Goal) -> RequestError:
    """The error for `stop` beside something that has an end of its own."""
    return RequestError(
        f"stop would cut a text that {goal.param} says the end of: leave out one of them",
        param="stop", code="stop_truncates",
    )  # fmt: skip


class TextReader:
    """The parts of one text as its pieces come; what it has said so far is in `thought`, `content` and `calls`."""

    def __init__(self, turn: Turn) -> None:
        self._turn = turn
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._reader = PartReader(turn.layout)
        self.content = self.thought = ""
        self.calls: list[Call] = []

    def read(self, piece: Piece) -> list[Part]:
        last = piece.finish is not None
        parts = self._reader.feed(self._decoder.decode(piece.data, final=last), last=last)
        for part in parts:
            match part:
                case Thought(more):
                    self.thought += more
                case Content(more):
                    self.content += more
                case Begun(_, name):
                    self.calls.append(Call(name))
                case Arguments(index, more):
                    self.calls[index].arguments += more
        return parts

    async def check(self) -> None:
        """The last assertion: the answer, or the arguments of each call, is put to a validator of its own.

        It shares no code with the engine; raises ValidationFailed.
        """
        if not self.calls and self._turn.answer is not None and self._turn.answer.check is not None:
            await asyncio.to_thread(self._turn.answer.check, self.content)
        for call in self.calls:
            assert self._turn.toolbox is not None
            tool = next(tool for tool in self._turn.toolbox.callable if tool.name == call.name)
            await asyncio.to_thread(parse_wanted(schema=tool.parameters).to_value, call.arguments)
