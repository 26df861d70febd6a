"""/v1/responses, as far as structured output goes: the body of a request -> Turn -> pieces -> a response, or events.

Place in the walk: beside `gcd.serve.chat`, in the shapes of OpenAI's newer endpoint. Nothing is stored: what a
conversation said before comes with each request.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from itertools import count
from typing import TYPE_CHECKING, Any

from gcd.serve.ask import MOST_TOP, Ask, read_ask, refuse_unless
from gcd.serve.chat import logprob_entries
from gcd.serve.fields import Fields
from gcd.serve.replies import error_reply, named_event
from gcd.serve.response_items import ItemWriter, read_items
from gcd.serve.text import Piece
from gcd.serve.tools import read_tools
from gcd.serve.turn import TextReader, Turn, check_model, read_wishes, take_turn
from gcd.serve.wanted import read_goal, refuse_unknown

if TYPE_CHECKING:
    from gcd.serve.engine import Engine

__all__ = ["ResponseCall", "answer_response", "read_response", "stream_response"]

AT_REST: dict[str, tuple[Any, ...]] = {
    "n": (1,), "background": (False,), "previous_response_id": (), "conversation": (), "prompt": (),
    "truncation": ("disabled",),
}  # fmt: skip
"""Field that is not supported and would matter -> the values with which it does not."""

ECHOED: dict[str, Any] = {
    "instructions": None, "max_output_tokens": None, "metadata": {}, "parallel_tool_calls": True,
    "previous_response_id": None, "reasoning": {"effort": None, "summary": None}, "temperature": 1.0,
    "text": {"format": {"type": "text"}}, "tool_choice": "auto", "tools": [], "top_p": 1.0, "truncation": "disabled",
}  # fmt: skip
"""What a response repeats of its request -> what stands there if that does not say."""


@dataclass(frozen=True, slots=True)
class ResponseCall:
    """A turn, and what its response repeats of the request."""

    turn: Turn
    echoed: dict[str, Any]


def read_response(body: dict[str, Any], engine: Engine) -> ResponseCall:
    """Read and check a request; raises RequestError."""
    fields = Fields(body)
    check_model(fields, engine)
    messages = read_items(fields)
    refuse_unless(fields, AT_REST)
    ask = _with_logprobs(read_ask(fields, engine.settings, lengths=("max_output_tokens",)), fields)
    form = fields.within("text") or Fields({}, "text")
    answer = read_goal(fields, max_schema=engine.settings.max_schema, form=(form, "format"))
    toolbox = read_tools(fields, flat=True)
    wishes = read_wishes(fields, engine.settings)
    refuse_unknown(form)
    refuse_unknown(fields)
    turn = take_turn(engine, messages, ask, answer, toolbox, wishes)
    given = {name: body[name] for name in ECHOED if body.get(name) is not None}
    return ResponseCall(turn, {**ECHOED, **given})


def _with_logprobs(ask: Ask, fields: Fields) -> Ask:
    """Log-probabilities are something that a request includes."""
    wanted = "message.output_text.logprobs" in (fields.of(list, "include") or ())
    top = fields.integer("top_logprobs", 0, MOST_TOP)
    return replace(ask, top=(top or 0) if wanted or top else None)


async def answer_response(call: ResponseCall, pieces: AsyncIterator[Piece], engine: Engine) -> dict[str, Any]:
    """The whole response."""
    writer = ResponseWriter(call, engine)
    async for piece in pieces:
        await writer.take(piece)
    return writer.response


async def stream_response(call: ResponseCall, pieces: AsyncIterator[Piece], engine: Engine) -> AsyncIterator[bytes]:
    """The events of a response; one that fails ends with `response.failed`."""
    writer = ResponseWriter(call, engine)
    numbers = count()

    def sent(found: dict[str, Any]) -> bytes:
        return named_event({**found, "sequence_number": next(numbers)})

    for kind in ("created", "in_progress"):
        yield sent({"type": f"response.{kind}", "response": writer.response})
    try:
        async for piece in pieces:
            for found in await writer.take(piece):
                yield sent(found)
    except Exception as error:
        writer.fail(error)
    yield sent({"type": f"response.{writer.response['status']}", "response": writer.response})


class ResponseWriter:
    """The response to a request as the pieces of its text come."""

    def __init__(self, call: ResponseCall, engine: Engine) -> None:
        self._turn, self._vocabulary = call.turn, engine.vocabulary
        self._reader = TextReader(call.turn)
        self._items = ItemWriter(self._reader)
        self.response: dict[str, Any] = {
            "id": f"resp_{secrets.token_hex(12)}", "object": "response", "created_at": int(time.time()),
            "status": "in_progress", "error": None, "incomplete_details": None, "model": engine.name, "output": [],
            "usage": None, "store": False, **call.echoed,
        }  # fmt: skip

    async def take(self, piece: Piece) -> list[dict[str, Any]]:
        """The events that a piece makes; behind the last one, the response is whole."""
        logprobs = [] if self._turn.ask.top is None else logprob_entries(piece.scored, self._vocabulary)
        events = self._items.write(self._reader.read(piece), logprobs)
        if piece.finish is None:
            return events
        await self._reader.check()
        status = "completed" if piece.finish == "stop" else "incomplete"
        events += self._items.end(status)
        if status == "incomplete":
            self.response["incomplete_details"] = {"reason": "max_output_tokens"}
        read = len(self._turn.prompt_ids)
        self.response.update(
            status=status,
            output=self._items.output,
            usage={
                "input_tokens": read, "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
                "output_tokens": piece.tokens, "output_tokens_details": {"reasoning_tokens": piece.thought},
                "total_tokens": read + piece.tokens,
            },
        )  # fmt: skip
        return events

    def fail(self, error: Exception) -> None:
        """Say what went wrong."""
        goal = self._turn.goal
        told = error_reply(error, param=None if goal is None else goal.param)[1]["error"]
        self.response.update(status="failed", error={"code": told["code"], "message": told["message"]})
