"""/v1/chat/completions: the body of a request -> ChatCall -> pieces -> an answer, or the chunks of a stream.

Place in the walk: it holds the readers of `gcd.serve` and the engine together, and knows OpenAI's shapes.
"""

from __future__ import annotations

import asyncio
import codecs
import secrets
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from gcd.errors import RequestError
from gcd.parse import parse_wanted
from gcd.serve.ask import MOST_TOP, Ask, read_ask
from gcd.serve.calls import Arguments, Begun, CallReader, Content, Part
from gcd.serve.constraints import Goal
from gcd.serve.fields import Fields, shown
from gcd.serve.messages import chat_prompt, read_messages
from gcd.serve.replies import event
from gcd.serve.text import Piece, Scored
from gcd.serve.tools import TAG, Toolbox, read_tools, tool_goal
from gcd.serve.wanted import read_goal, refuse_unknown

if TYPE_CHECKING:
    from gcd.serve.engine import Engine
    from tokenizer_align.vocabulary import Vocabulary

__all__ = ["ChatCall", "answer_chat", "check_model", "read_chat", "stream_chat", "usage_of"]


@dataclass(frozen=True, slots=True)
class ChatCall:
    """A request, read: what the model continues, what is wanted of it, and how."""

    prompt_ids: list[int]
    ask: Ask
    goal: Goal | None
    answer: Goal | None
    toolbox: Toolbox | None
    id: str = field(default_factory=lambda: f"chatcmpl-{secrets.token_hex(12)}")
    created: int = field(default_factory=lambda: int(time.time()))

    @property
    def calls_tools(self) -> bool:
        return self.toolbox is not None and bool(self.toolbox.callable)

    @property
    def guard(self) -> str | None:
        """Where stops do not count any more: a call is never cut."""
        return TAG if self.calls_tools else None


def read_chat(body: dict[str, Any], engine: Engine) -> ChatCall:
    """Read and check a request; raises RequestError."""
    fields = Fields(body)
    check_model(fields, engine)
    messages = read_messages(fields)
    ask = _with_logprobs(read_ask(fields, engine.settings), fields)
    answer = read_goal(fields, max_schema=engine.settings.max_schema)
    toolbox = read_tools(fields)
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
    refuse_unknown(fields)
    shown_tools = toolbox.shown if toolbox is not None and toolbox.callable else ()
    prompt_ids = chat_prompt(messages, shown_tools, engine.tokenizer)
    return ChatCall(prompt_ids, ask, goal, answer, toolbox)


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


def _with_logprobs(ask: Ask, fields: Fields) -> Ask:
    wanted = fields.flag("logprobs")
    top = fields.integer("top_logprobs", 0, MOST_TOP)
    if top is not None and not wanted:
        raise fields.fail("top_logprobs", "goes with logprobs: true")
    return replace(ask, top=(top or 0) if wanted else None)


class ChoiceReader:
    """The parts of one text as its pieces come."""

    def __init__(self, call: ChatCall) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._reader = CallReader(answers=call.answer is not None) if call.calls_tools else None

    def read(self, piece: Piece) -> list[Part]:
        last = piece.finish is not None
        text = self._decoder.decode(piece.data, final=last)
        if self._reader is None:
            return [Content(text)] if text else []
        return self._reader.feed(text, last=last)

    def reason(self, piece: Piece) -> str | None:
        """`finish_reason`: "length" whenever the budget narrowed a mask or cut free text."""
        if piece.finish == "stop" and self._reader is not None and self._reader.calls:
            return "tool_calls"
        return piece.finish


async def answer_chat(call: ChatCall, pieces: AsyncIterator[Piece], engine: Engine) -> dict[str, Any]:
    """The whole answer."""
    choices: list[dict[str, Any]] = [{} for _ in range(call.ask.n)]
    tokens = 0
    async for piece in pieces:
        reader = ChoiceReader(call)
        message = _message(reader.read(piece))
        await check_answer(call, message["content"], message.get("tool_calls", []))
        tokens += piece.tokens
        choices[piece.index] = {
            "index": piece.index,
            "message": message,
            "logprobs": _logprobs(call.ask, piece.scored, engine.vocabulary),
            "finish_reason": reader.reason(piece),
        }
    return {**_head(call, engine, "chat.completion"), "choices": choices, "usage": usage_of(call.prompt_ids, tokens)}


def _message(parts: list[Part]) -> dict[str, Any]:
    content = "".join(part.text for part in parts if isinstance(part, Content))
    calls: list[dict[str, Any]] = []
    for part in parts:
        if isinstance(part, Begun):
            calls.append({"id": _call_id(), "type": "function", "function": {"name": part.name, "arguments": ""}})
        elif isinstance(part, Arguments):
            calls[part.index]["function"]["arguments"] += part.text
    message: dict[str, Any] = {"role": "assistant", "content": content, "refusal": None}
    if calls:
        message.update(content=content or None, tool_calls=calls)
    return message


async def check_answer(call: ChatCall, content: str | None, calls: list[dict[str, Any]]) -> None:
    """The last assertion: an answer is put to a validator that shares no code with the engine."""
    if not calls and call.answer is not None and call.answer.check is not None:
        await asyncio.to_thread(call.answer.check, content or "")
    for each in calls:
        assert call.toolbox is not None
        tool = next(tool for tool in call.toolbox.callable if tool.name == each["function"]["name"])
        await asyncio.to_thread(parse_wanted(schema=tool.parameters).to_value, each["function"]["arguments"])


async def stream_chat(call: ChatCall, pieces: AsyncIterator[Piece], engine: Engine) -> AsyncIterator[bytes]:
    """The chunks of a streamed answer, as server-sent events."""
    head = _head(call, engine, "chat.completion.chunk")
    if call.ask.include_usage:
        head["usage"] = None
    readers = [ChoiceReader(call) for _ in range(call.ask.n)]
    received: list[list[Part]] = [[] for _ in readers]
    tokens = 0

    def chunk(index: int, delta: dict[str, Any], logprobs: Any = None, reason: str | None = None) -> bytes:
        choice = {"index": index, "delta": delta, "logprobs": logprobs, "finish_reason": reason}
        return event({**head, "choices": [choice]})

    for index in range(call.ask.n):
        yield chunk(index, {"role": "assistant", "content": "", "refusal": None})
    async for piece in pieces:
        reader = readers[piece.index]
        logprobs = _logprobs(call.ask, piece.scored, engine.vocabulary) if piece.scored else None
        parts = reader.read(piece)
        received[piece.index] += parts
        if logprobs is not None and not parts:
            parts = [Content("")]
        for part in parts:
            yield chunk(piece.index, _delta(part), logprobs)
            logprobs = None
        if piece.finish is not None:
            message = _message(received[piece.index])
            await check_answer(call, message["content"], message.get("tool_calls", []))
            tokens += piece.tokens
            yield chunk(piece.index, {}, None, reader.reason(piece))
    if call.ask.include_usage:
        yield event({**head, "choices": [], "usage": usage_of(call.prompt_ids, tokens)})
    yield b"data: [DONE]\n\n"


def _delta(part: Part) -> dict[str, Any]:
    match part:
        case Content(text):
            return {"content": text}
        case Begun(index, name):
            function = {"name": name, "arguments": ""}
            return {"tool_calls": [{"index": index, "id": _call_id(), "type": "function", "function": function}]}
        case Arguments(index, text):
            return {"tool_calls": [{"index": index, "function": {"arguments": text}}]}


def _call_id() -> str:
    return f"call_{secrets.token_hex(12)}"


def _head(call: ChatCall, engine: Engine, kind: str) -> dict[str, Any]:
    return {
        "id": call.id, "object": kind, "created": call.created, "model": engine.name, "system_fingerprint": None,
    }  # fmt: skip


def usage_of(prompt_ids: list[int], tokens: int) -> dict[str, int]:
    """The tokens of a request; the ends of texts are counted, as they are in max_tokens."""
    return {
        "prompt_tokens": len(prompt_ids), "completion_tokens": tokens, "total_tokens": len(prompt_ids) + tokens,
    }  # fmt: skip


def _logprobs(ask: Ask, scored: tuple[Scored, ...], vocabulary: Vocabulary) -> dict[str, Any] | None:
    """Log-probabilities under the model alone, neither masked nor warped; the end of the text is left out."""
    if ask.top is None:
        return None
    content = []
    for token in scored:
        if token.token_id in vocabulary.eos_token_ids:
            continue
        top = [token_entry(vocabulary, token_id, logprob) for token_id, logprob in token.top]
        content.append({**token_entry(vocabulary, token.token_id, token.logprob), "top_logprobs": top})
    return {"content": content, "refusal": None}


def token_entry(vocabulary: Vocabulary, token_id: int, logprob: float) -> dict[str, Any]:
    """A token as OpenAI has it; -9999 is its name for impossible."""
    data = vocabulary.tokens[token_id] if token_id < vocabulary.size else b""
    return {"token": data.decode("utf-8", "replace"), "logprob": max(logprob, -9999.0), "bytes": list(data)}
