"""/v1/chat/completions: the body of a request -> Turn -> pieces -> an answer, or the chunks of a stream.

Place in the walk: it holds the readers of `gcd.serve` and the engine together, and knows OpenAI's shapes.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from gcd.serve.ask import MOST_TOP, Ask, read_ask
from gcd.serve.calls import Arguments, Begun, Content, Part, Thought
from gcd.serve.fields import Fields
from gcd.serve.messages import read_messages
from gcd.serve.replies import event
from gcd.serve.text import Piece, Scored
from gcd.serve.tools import read_tools
from gcd.serve.turn import TextReader, Turn, check_model, read_wishes, take_turn
from gcd.serve.wanted import read_goal, refuse_unknown

if TYPE_CHECKING:
    from gcd.serve.engine import Engine
    from tokenizer_align.vocabulary import Vocabulary

__all__ = ["answer_chat", "logprob_entries", "read_chat", "stream_chat", "token_entry", "usage_of"]


def read_chat(body: dict[str, Any], engine: Engine) -> Turn:
    """Read and check a request; raises RequestError."""
    fields = Fields(body)
    check_model(fields, engine)
    messages = read_messages(fields)
    ask = _with_logprobs(read_ask(fields, engine.settings), fields)
    answer = read_goal(fields, max_schema=engine.settings.max_schema)
    toolbox = read_tools(fields)
    wishes = read_wishes(fields, engine.settings)
    refuse_unknown(fields)
    return take_turn(engine, messages, ask, answer, toolbox, wishes)


def _with_logprobs(ask: Ask, fields: Fields) -> Ask:
    wanted = fields.flag("logprobs")
    top = fields.integer("top_logprobs", 0, MOST_TOP)
    if top is not None and not wanted:
        raise fields.fail("top_logprobs", "goes with logprobs: true")
    return replace(ask, top=(top or 0) if wanted else None)


async def answer_chat(turn: Turn, pieces: AsyncIterator[Piece], engine: Engine) -> dict[str, Any]:
    """The whole answer."""
    choices: list[dict[str, Any]] = [{} for _ in range(turn.ask.n)]
    tokens = thought = 0
    async for piece in pieces:
        reader = TextReader(turn)
        reader.read(piece)
        await reader.check()
        tokens, thought = tokens + piece.tokens, thought + piece.thought
        choices[piece.index] = {
            "index": piece.index,
            "message": _message(reader),
            "logprobs": _logprobs(turn.ask, piece.scored, engine.vocabulary),
            "finish_reason": _reason(reader, piece),
        }
    return {**_head(engine, "chat.completion"), "choices": choices, "usage": usage_of(turn.prompt_ids, tokens, thought)}


def _message(reader: TextReader) -> dict[str, Any]:
    message: dict[str, Any] = {"role": "assistant", "content": reader.content, "refusal": None}
    if reader.calls:
        calls = [
            {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}
            for call in reader.calls
        ]
        message.update(content=reader.content or None, tool_calls=calls)
    if reader.thought:
        message.update(_thought(reader.thought))
    return message


def _thought(text: str) -> dict[str, str]:
    """What the model thought, in the field that vLLM has now and in that of DeepSeek and others."""
    return {"reasoning": text, "reasoning_content": text}


def _reason(reader: TextReader, piece: Piece) -> str | None:
    """`finish_reason`: "length" whenever the budget narrowed a mask or cut free text."""
    return "tool_calls" if piece.finish == "stop" and reader.calls else piece.finish


async def stream_chat(turn: Turn, pieces: AsyncIterator[Piece], engine: Engine) -> AsyncIterator[bytes]:
    """The chunks of a streamed answer, as server-sent events."""
    head = _head(engine, "chat.completion.chunk")
    if turn.ask.include_usage:
        head["usage"] = None
    readers = [TextReader(turn) for _ in range(turn.ask.n)]
    tokens = thought = 0

    def chunk(index: int, delta: dict[str, Any], logprobs: Any = None, reason: str | None = None) -> bytes:
        choice = {"index": index, "delta": delta, "logprobs": logprobs, "finish_reason": reason}
        return event({**head, "choices": [choice]})

    for index in range(turn.ask.n):
        yield chunk(index, {"role": "assistant", "content": "", "refusal": None})
    async for piece in pieces:
        reader = readers[piece.index]
        logprobs = _logprobs(turn.ask, piece.scored, engine.vocabulary) if piece.scored else None
        parts = reader.read(piece)
        if logprobs is not None and not parts:
            parts = [Content("")]
        for part in parts:
            yield chunk(piece.index, _delta(part, reader), logprobs)
            logprobs = None
        if piece.finish is not None:
            await reader.check()
            tokens, thought = tokens + piece.tokens, thought + piece.thought
            yield chunk(piece.index, {}, None, _reason(reader, piece))
    if turn.ask.include_usage:
        yield event({**head, "choices": [], "usage": usage_of(turn.prompt_ids, tokens, thought)})
    yield b"data: [DONE]\n\n"


def _delta(part: Part, reader: TextReader) -> dict[str, Any]:
    match part:
        case Thought(text):
            return _thought(text)
        case Content(text):
            return {"content": text}
        case Begun(index, name):
            function = {"name": name, "arguments": ""}
            call = {"index": index, "id": reader.calls[index].id, "type": "function", "function": function}
            return {"tool_calls": [call]}
        case Arguments(index, text):
            return {"tool_calls": [{"index": index, "function": {"arguments": text}}]}


def _head(engine: Engine, kind: str) -> dict[str, Any]:
    return {
        "id": f"chatcmpl-{secrets.token_hex(12)}", "object": kind, "created": int(time.time()), "model": engine.name,
        "system_fingerprint": None,
    }  # fmt: skip


def usage_of(prompt_ids: list[int], tokens: int, thought: int = 0) -> dict[str, Any]:
    """The tokens of a request; the ends of texts are counted, as they are in max_tokens, and so are thoughts."""
    usage: dict[str, Any] = {
        "prompt_tokens": len(prompt_ids), "completion_tokens": tokens, "total_tokens": len(prompt_ids) + tokens,
    }  # fmt: skip
    return {**usage, "completion_tokens_details": {"reasoning_tokens": thought}} if thought else usage


def _logprobs(ask: Ask, scored: tuple[Scored, ...], vocabulary: Vocabulary) -> dict[str, Any] | None:
    return None if ask.top is None else {"content": logprob_entries(scored, vocabulary), "refusal": None}


def logprob_entries(scored: tuple[Scored, ...], vocabulary: Vocabulary) -> list[dict[str, Any]]:
    """Log-probabilities under the model alone, neither masked nor warped; the end of the text is left out."""
    return [
        {
            **token_entry(vocabulary, token.token_id, token.logprob),
            "top_logprobs": [token_entry(vocabulary, token_id, logprob) for token_id, logprob in token.top],
        }
        for token in scored
        if token.token_id not in vocabulary.eos_token_ids
    ]


def token_entry(vocabulary: Vocabulary, token_id: int, logprob: float) -> dict[str, Any]:
    """A token as OpenAI has it; -9999 is its name for impossible."""
    data = vocabulary.tokens[token_id] if token_id < vocabulary.size else b""
    return {"token": data.decode("utf-8", "replace"), "logprob": max(logprob, -9999.0), "bytes": list(data)}
