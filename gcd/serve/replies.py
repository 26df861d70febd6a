"""Errors of any kind -> replies in OpenAI's shape, with our codes; and events of a stream.

Place in the walk: the last step of a request that went wrong. What is the client's fault is a 4xx with the whole
message; what is ours is a 500 that says nothing of what was being generated.
"""

from __future__ import annotations

import json
import logging
from typing import Any

from gcd import errors
from gcd.parse import about_text

__all__ = ["code_of", "error_reply", "event", "named_event"]

logger = logging.getLogger("gcd.serve")

TABLE: tuple[tuple[type[Exception], int, str], ...] = (
    (errors.InvalidGrammar, 400, "invalid_grammar"),
    (errors.UnsupportedFeature, 400, "unsupported_feature"),
    (errors.EmptyLanguage, 400, "empty_language"),
    (errors.LimitExceeded, 400, "limit_exceeded"),
    (errors.VocabularyMismatch, 400, "vocabulary_mismatch"),
    (errors.BudgetTooSmall, 400, "budget_too_small"),
    (errors.PromptError, 400, "invalid_prompt"),
    (errors.BadLogits, 500, "bad_logits"),
    (errors.ValidationFailed, 500, "validation_failed"),
)
"""Error -> status and code."""

TYPES = {401: "authentication_error", 403: "permission_error", 404: "not_found_error", 429: "rate_limit_error"}


def code_of(error: Exception) -> tuple[int, str]:
    """The status and the code of an error; 500 for one that is a bug.

    >>> code_of(errors.EmptyLanguage("no text satisfies this"))
    (400, 'empty_language')
    """
    if isinstance(error, errors.RequestError):
        return error.status, error.code
    return next(((s, code) for kind, s, code in TABLE if isinstance(error, kind)), (500, "internal_error"))


def error_reply(error: Exception, *, param: str | None = None) -> tuple[int, dict[str, Any], dict[str, str]]:
    """Status, body and headers; `param` is the field at fault where the error does not say."""
    error = about_text(error)
    status, code = code_of(error)
    message = str(error)
    headers: dict[str, str] = {}
    if isinstance(error, errors.RequestError):
        param = error.param
        if isinstance(error, errors.ServerBusy):
            headers["Retry-After"] = str(error.retry_after)
        elif status == 401:
            headers["WWW-Authenticate"] = "Bearer"
    elif isinstance(error, errors.GrammarError) and param is not None:
        message = f"{param}: {message}"
    else:
        param = "max_tokens" if code == "budget_too_small" else None
    if status == 500:
        # the message may quote what was generated
        logger.error("a request failed by %s", type(error).__name__)
        logger.debug("its traceback", exc_info=error)
        message = f"the server could not answer: {type(error).__name__}"
    kind = TYPES.get(status, "invalid_request_error" if status < 500 else "server_error")
    return status, {"error": {"message": message, "type": kind, "param": param, "code": code}}, headers


def event(data: object) -> bytes:
    """A server-sent event of one JSON value.

    >>> event({"a": 1})
    b'data: {"a":1}\\n\\n'
    """
    return b"data: " + json.dumps(data, ensure_ascii=False, separators=(",", ":")).encode() + b"\n\n"


def named_event(data: dict[str, Any]) -> bytes:
    """A server-sent event that has the name of its type.

    >>> named_event({"type": "a"})
    b'event: a\\ndata: {"type":"a"}\\n\\n'
    """
    return f"event: {data['type']}\n".encode() + event(data)
