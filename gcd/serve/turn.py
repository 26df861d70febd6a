"""Turn: one turn of a chat, whichever endpoint asks for it: what is continued, what is wanted of it, and its reader.

Place in the walk: messages × Ask × Goal × Toolbox -> **Turn** -> pieces -> parts. `gcd.serve.chat` and
`gcd.serve.responses` know the shapes of OpenAI's two endpoints, and nothing of this.
"""

from __future__ import annotations

import asyncio
import codecs
import secrets
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from gcd.errors import RequestError
from gcd.parse import parse_wanted
from gcd.serve.ask import Ask
from gcd.serve.calls import Arguments, Begun, CallReader, Content, Part
from gcd.serve.constraints import Goal
from gcd.serve.fields import Fields, shown
from gcd.serve.messages import chat_prompt
from gcd.serve.text import Piece
from gcd.serve.tools import TAG, Toolbox, tool_goal

if TYPE_CHECKING:
    from gcd.serve.engine import Engine

__all__ = ["Call", "TextReader", "Turn", "check_model", "stop_truncates", "take_turn"]


@dataclass(slots=True)
class Call:
    """A call of a tool, its arguments as far as they are there; `id` is what its result will be given for."""

    name: str
    arguments: str = ""
    id: str = field(default_factory=lambda: f"call_{secrets.token_hex(12)}")


@dataclass(frozen=True, slots=True)
class Turn:
    """`answer` is what a text that calls no tool must be, `goal` what any text must be."""

    prompt_ids: list[int]
    ask: Ask
    goal: Goal | None
    answer: Goal | None
    toolbox: Toolbox | None

    @property
    def calls_tools(self) -> bool:
        return self.toolbox is not None and bool(self.toolbox.callable)

    @property
    def guard(self) -> str | None:
        """Where stops do not count any more: a call is never cut."""
        return TAG if self.calls_tools else None


def take_turn(
    engine: Engine, messages: list[dict[str, Any]], ask: Ask, answer: Goal | None, toolbox: Toolbox | None
) -> Turn:
    """The turn that answers the messages; raises RequestError where its wishes do not go together."""
    goal = answer
    if toolbox is not None and toolbox.callable:
        if answer is not None and answer.check is None:
            raise RequestError(
                f"{answer.param} cannot be combined with tools: a JSON Schema can, in response_format",
                param=answer.param, code="unsupported_parameter",
            )  # fmt: skip
        goal = tool_goal(toolbox, answer)
        if len(goal.key.encode()) > engine.settings.max_schema:
            raise RequestError(
                f"the tools are larger than the {engine.settings.max_schema:,} bytes that this server allows",
                param="tools", code="schema_too_large",
            )  # fmt: skip
    if ask.stops and answer is not None:
        raise stop_truncates(answer)
    shown_tools = toolbox.shown if toolbox is not None and toolbox.callable else ()
    return Turn(chat_prompt(messages, shown_tools, engine.tokenizer), ask, goal, answer, toolbox)


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
    """The parts of one text as its pieces come; what was read so far is its `content` and its `calls`."""

    def __init__(self, turn: Turn) -> None:
        self._turn = turn
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._reader = CallReader(answers=turn.answer is not None) if turn.calls_tools else None
        self.content = ""
        self.calls: list[Call] = []

    def read(self, piece: Piece) -> list[Part]:
        parts = self._parts(piece, last=piece.finish is not None)
        for part in parts:
            match part:
                case Content(more):
                    self.content += more
                case Begun(_, name):
                    self.calls.append(Call(name))
                case Arguments(index, more):
                    self.calls[index].arguments += more
        return parts

    def _parts(self, piece: Piece, *, last: bool) -> list[Part]:
        text = self._decoder.decode(piece.data, final=last)
        if self._reader is None:
            return [Content(text)] if text else []
        return self._reader.feed(text, last=last)

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
