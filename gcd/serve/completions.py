"""/v1/completions: a text or token ids to continue -> an answer, or the chunks of a stream, in the older shape."""

from __future__ import annotations

import asyncio
import codecs
import secrets
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from gcd.errors import PromptError, RequestError
from gcd.prompts import encode_prompt
from gcd.serve.ask import Ask, read_ask
from gcd.serve.chat import token_entry, usage_of
from gcd.serve.constraints import Goal
from gcd.serve.fields import Fields, shown
from gcd.serve.replies import event
from gcd.serve.text import Piece, Scored
from gcd.serve.turn import check_model, stop_truncates
from gcd.serve.wanted import SHOWN, read_goal, refuse_unknown

if TYPE_CHECKING:
    from gcd.serve.engine import Engine

__all__ = ["CompletionCall", "answer_completion", "read_completion", "stream_completion"]


@dataclass(frozen=True, slots=True)
class CompletionCall:
    """A request, read."""

    prompt_ids: list[int]
    ask: Ask
    goal: Goal | None
    id: str = field(default_factory=lambda: f"cmpl-{secrets.token_hex(12)}")
    created: int = field(default_factory=lambda: int(time.time()))


def read_completion(body: dict[str, Any], engine: Engine) -> CompletionCall:
    """Read and check a request; raises RequestError."""
    fields = Fields(body)
    check_model(fields, engine)
    prompt = _prompt(fields)
    ask = read_ask(fields, engine.settings)
    ask = replace(ask, top=fields.integer("logprobs", 0, 5))
    goal = read_goal(fields, max_schema=engine.settings.max_schema)
    if ask.stops and goal is not None:
        raise stop_truncates(goal)
    for name in ("tools", "tool_choice", SHOWN):
        if fields.any(name) is not None:
            raise fields.fail(name, "belongs to /v1/chat/completions", code="unsupported_parameter")
    refuse_unknown(fields)
    try:
        prompt_ids = encode_prompt(prompt, engine.model, engine.tokenizer)
    except PromptError as error:
        raise RequestError(str(error), param="prompt", code="invalid_prompt") from error
    return CompletionCall(list(prompt_ids), ask, goal)


def _prompt(fields: Fields) -> str | list[int]:
    """One prompt, a text or token ids, also as the only one of an array."""
    prompt = fields.any("prompt")
    if isinstance(prompt, list) and len(prompt) == 1 and isinstance(prompt[0], str | list):
        prompt = prompt[0]
    if prompt is None:
        return ""
    if isinstance(prompt, str):
        return prompt
    if isinstance(prompt, list) and all(isinstance(token, int) and not isinstance(token, bool) for token in prompt):
        return prompt
    if isinstance(prompt, list) and all(isinstance(each, str | list) for each in prompt):
        raise fields.fail("prompt", "is a batch: send one request a prompt", code="unsupported_parameter")
    raise fields.fail("prompt", f"must be a string or an array of token ids, not {shown(prompt)}", code="invalid_type")


async def answer_completion(
    call: CompletionCall, pieces: AsyncIterator[Piece], engine: Engine
) -> dict[str, Any]:  # fmt: skip
    """The whole answer."""
    choices: list[dict[str, Any]] = [{} for _ in range(call.ask.n)]
    tokens = 0
    async for piece in pieces:
        text = piece.data.decode("utf-8", "replace")
        await _check(call, text)
        tokens += piece.tokens
        choices[piece.index] = _choice(call, engine, piece, text, 0)
    return {**_head(call, engine), "choices": choices, "usage": usage_of(call.prompt_ids, tokens)}


async def stream_completion(
    call: CompletionCall, pieces: AsyncIterator[Piece], engine: Engine
) -> AsyncIterator[bytes]:  # fmt: skip
    """The chunks of a streamed answer, as server-sent events."""
    head = _head(call, engine)
    if call.ask.include_usage:
        head["usage"] = None
    decoders = [codecs.getincrementaldecoder("utf-8")("replace") for _ in range(call.ask.n)]
    texts = ["" for _ in decoders]
    tokens = 0
    async for piece in pieces:
        text = decoders[piece.index].decode(piece.data, final=piece.finish is not None)
        choice = _choice(call, engine, piece, text, len(texts[piece.index]))
        texts[piece.index] += text
        if piece.finish is not None:
            await _check(call, texts[piece.index])
            tokens += piece.tokens
        if text or piece.scored or piece.finish:
            yield event({**head, "choices": [choice]})
    if call.ask.include_usage:
        yield event({**head, "choices": [], "usage": usage_of(call.prompt_ids, tokens)})
    yield b"data: [DONE]\n\n"


async def _check(call: CompletionCall, text: str) -> None:
    if call.goal is not None and call.goal.check is not None:
        await asyncio.to_thread(call.goal.check, text)


def _head(call: CompletionCall, engine: Engine) -> dict[str, Any]:
    return {
        "id": call.id, "object": "text_completion", "created": call.created, "model": engine.name,
        "system_fingerprint": None,
    }  # fmt: skip


def _choice(call: CompletionCall, engine: Engine, piece: Piece, text: str, offset: int) -> dict[str, Any]:
    logprobs = None if call.ask.top is None else _logprobs(engine, piece.scored, offset)
    return {"index": piece.index, "text": text, "logprobs": logprobs, "finish_reason": piece.finish}


def _logprobs(engine: Engine, scored: tuple[Scored, ...], offset: int) -> dict[str, Any]:
    found: dict[str, Any] = {"tokens": [], "token_logprobs": [], "top_logprobs": [], "text_offset": []}
    for token in scored:
        if token.token_id in engine.vocabulary.eos_token_ids:
            continue
        entry = token_entry(engine.vocabulary, token.token_id, token.logprob)
        top = [token_entry(engine.vocabulary, token_id, logprob) for token_id, logprob in token.top]
        found["tokens"].append(entry["token"])
        found["token_logprobs"].append(entry["logprob"])
        found["top_logprobs"].append({each["token"]: each["logprob"] for each in reversed(top)})
        found["text_offset"].append(offset)
        offset += len(entry["token"])
    return found
