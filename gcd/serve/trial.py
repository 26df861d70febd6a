"""The page at `/` and what it asks: a schema, regex or grammar tried out, token by token with what was allowed.

Place in the walk: beside the endpoints of OpenAI, over the same engine. The page is one file without any part from
elsewhere; its policy lets its own script and style run, and nothing else.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import re
from dataclasses import replace
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

import numpy as np

from gcd.prompts import encode_prompt
from gcd.serve.ask import read_ask
from gcd.serve.fields import Fields
from gcd.serve.text import Piece
from gcd.serve.wanted import read_goal

if TYPE_CHECKING:
    from gcd.serve.engine import Engine
    from tokenizer_align.constraint import Constraint

__all__ = ["page", "policy", "try_out"]

FIELDS = {"schema": "guided_json", "regex": "guided_regex", "grammar": "guided_grammar"}
"""What the page calls it -> where requests have it."""

SHOWN = 12
"""Allowed tokens of a step that are named; of the others, there is the number."""


@cache
def page() -> str:
    """The HTML of the page."""
    return (files("gcd.serve") / "page.html").read_text(encoding="utf-8")


@cache
def policy() -> str:
    """Its Content-Security-Policy: its own script and style by their hashes, requests to this server, no frames."""
    allowed = {}
    for tag in ("script", "style"):
        (inside,) = re.findall(f"<{tag}>(.*?)</{tag}>", page(), re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(inside.encode()).digest()).decode()
        allowed[tag] = f"{tag}-src 'sha256-{digest}'"
    return (
        f"default-src 'none'; {allowed['script']}; {allowed['style']}; connect-src 'self'; base-uri 'none'; "
        "form-action 'none'; frame-ancestors 'none'"
    )


async def try_out(body: dict[str, Any], engine: Engine) -> dict[str, Any]:
    """`{"kind": "regex", "text": "a|b"}` -> its text, its tokens with what was allowed, and a schema's keywords.

    Raises RequestError and GrammarError, as the other endpoints do.
    """
    fields = Fields(body)
    kind = fields.choice("kind", tuple(FIELDS))
    wanted, prompt = fields.of(str, "text"), fields.of(str, "prompt") or ""
    if kind is None or wanted is None:
        raise fields.fail("kind" if kind is None else "text", "is missing", code="missing")
    goal = read_goal(Fields({FIELDS[kind]: wanted}), max_schema=engine.settings.max_schema)
    assert goal is not None
    goal = replace(goal, param="text")
    ask = replace(read_ask(fields, engine.settings), n=1, top=0, streams=False, stops=())
    keywords = await asyncio.to_thread(_keywords, wanted) if kind == "schema" else []
    prompt_ids = encode_prompt(prompt, engine.model, engine.tokenizer)
    pieces: list[Piece] = [piece async for piece in engine.pieces(list(prompt_ids), ask, goal)]
    (piece,) = pieces
    constraint = await engine.constraints.get(goal)
    steps = await asyncio.to_thread(_steps, constraint, [scored.token_id for scored in piece.scored])
    text = piece.data.decode("utf-8", "replace")
    return {"keywords": keywords, "text": text, "finish_reason": piece.finish, "tokens": steps}


def _keywords(schema: str) -> list[dict[str, str]]:
    from grammars.frontends.json_schema import check_json_schema

    return [{"place": use.pointer, "status": use.status} for use in check_json_schema(schema).uses]


def _steps(constraint: Constraint, token_ids: list[int]) -> list[dict[str, Any]]:
    """Each token, how many were allowed in its place, and the first of these."""
    vocabulary = constraint.vocabulary
    state = constraint.start
    steps: list[dict[str, Any]] = []
    for token_id in token_ids:
        if token_id in vocabulary.eos_token_ids:
            break
        mask = constraint.mask(state)
        allowed = np.flatnonzero(np.unpackbits(mask.view(np.uint8), bitorder="little")[: vocabulary.size])
        steps.append(
            {
                "token": _shown(vocabulary.tokens[token_id]),
                "allowed": len(allowed),
                "such_as": [
                    "(end)" if i in vocabulary.eos_token_ids else _shown(vocabulary.tokens[i])
                    for i in allowed[:SHOWN].tolist()
                ],
            }
        )
        state = constraint.advance(state, token_id)
    return steps


def _shown(data: bytes) -> str:
    return data.decode("utf-8", "backslashreplace")
