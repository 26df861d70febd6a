"""Guard: who is answered at all: the right Host, the right key, JSON alone.

Place in the walk: before the endpoints, as ASGI middleware. Against DNS rebinding only known values of `Host` are
answered; a page of another origin cannot send JSON without asking first, and is never told that it may (no CORS).
"""

from __future__ import annotations

import hmac
from typing import TYPE_CHECKING

from starlette.datastructures import Headers
from starlette.responses import JSONResponse

from gcd.errors import RequestError
from gcd.serve.replies import error_reply

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

    from gcd.serve.settings import Settings

__all__ = ["Guard", "check_request"]

OPEN_PATHS = ("/health", "/ready", "/")
"""What is given without a key: to whoever watches over the server, and the page, which says nothing of it."""


class Guard:
    """The application behind `check_request`."""

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self.app, self.settings = app, settings

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            try:
                check_request(scope["method"], scope["path"], Headers(scope=scope), self.settings)
            except RequestError as error:
                status, body, headers = error_reply(error)
                await JSONResponse(body, status_code=status, headers=headers)(scope, receive, send)
                return
        await self.app(scope, receive, send)


def check_request(method: str, path: str, headers: Headers, settings: Settings) -> None:
    """Raises RequestError for a request that is not answered: 403 for its Host, 401 for its key, 415, 413."""
    host = _without_port(headers.get("host", ""))
    if host.lower() not in settings.allowed_hosts:
        raise RequestError(
            f"this server does not answer to the name {host!r}: allow it where the server is started",
            code="host_not_allowed", status=403,
        )  # fmt: skip
    if settings.api_key is not None and path not in OPEN_PATHS:
        scheme, _, given = headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not hmac.compare_digest(given.strip().encode(), settings.api_key.encode()):
            raise RequestError("the API key is missing or wrong", code="invalid_api_key", status=401)
    if method == "POST":
        kind = headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind != "application/json":
            raise RequestError(
                f"the body must be of type application/json, not {kind or 'unnamed'!r}",
                code="unsupported_media_type", status=415,
            )  # fmt: skip
        length = headers.get("content-length", "0")
        if length.isascii() and length.isdigit() and int(length[:20]) > settings.max_body:
            raise RequestError(
                f"the body has more than {settings.max_body:,} bytes, which is what this server allows",
                code="body_too_large", status=413,
            )  # fmt: skip


def _without_port(host: str) -> str:
    """`[::1]:80` -> `[::1]`, `localhost:80` -> `localhost`."""
    if host.startswith("["):
        return host.partition("]")[0] + "]"
    return host.partition(":")[0]
