"""create_app: the endpoints over an Engine, as a Starlette application.

Place in the walk: HTTP on one side, `gcd.serve.chat` and `gcd.serve.completions` on the other. Prompts and answers are
never logged; errors are in OpenAI's shape.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing, asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

from gcd.errors import GrammarError, RequestError
from gcd.serve.ask import Ask
from gcd.serve.chat import answer_chat, read_chat, stream_chat
from gcd.serve.completions import answer_completion, read_completion, stream_completion
from gcd.serve.constraints import Goal
from gcd.serve.fields import parse_body
from gcd.serve.guard import Guard
from gcd.serve.openapi import openapi
from gcd.serve.replies import error_reply, event
from gcd.serve.responses import answer_response, read_response, stream_response
from gcd.serve.text import Piece
from gcd.serve.trial import page, policy, try_out

if TYPE_CHECKING:
    from gcd.serve.engine import Engine

__all__ = ["create_app"]

T = TypeVar("T")


class Call(Protocol):
    """What all endpoints read out of a request."""

    @property
    def ask(self) -> Ask: ...
    @property
    def goal(self) -> Goal | None: ...


def create_app(engine: Engine) -> Starlette:
    """The application; it starts and closes the engine with its own life."""

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        engine.start()
        yield
        await asyncio.to_thread(engine.close)

    async def health(request: Request) -> Response:
        return JSONResponse({"status": "ok"})

    async def ready(request: Request) -> Response:
        engine.check_ready()
        return JSONResponse({"status": "ready"})

    async def metrics(request: Request) -> Response:
        return PlainTextResponse(engine.metrics.render(engine), media_type="text/plain; version=0.0.4")

    def model() -> dict[str, Any]:
        return {"id": engine.name, "object": "model", "created": engine.created, "owned_by": "gcd"}

    async def described(request: Request) -> Response:
        return JSONResponse(openapi(engine.name))

    async def trial_page(request: Request) -> Response:
        headers = {"Content-Security-Policy": policy(), "X-Content-Type-Options": "nosniff"}
        return HTMLResponse(page(), headers=headers)

    async def trial(request: Request) -> Response:
        work = try_out(await _body(request, engine), engine)
        try:
            return JSONResponse(await _or_disconnect(request, work))
        except GrammarError as error:
            return _error_response(error, param="text")

    async def models(request: Request) -> Response:
        return JSONResponse({"object": "list", "data": [model()]})

    async def one_model(request: Request) -> Response:
        name = request.path_params["name"]
        if name != engine.name:
            raise RequestError(
                f"there is no model {name!r} here: {engine.name!r} is served",
                param="model", code="model_not_found", status=404,
            )  # fmt: skip
        return JSONResponse(model())

    async def chat(request: Request) -> Response:
        turn = read_chat(await _body(request, engine), engine)
        pieces = engine.pieces(turn.prompt_ids, turn.ask, turn.goal, layout=turn.layout, thoughts=turn.thoughts)
        return await _reply(request, engine, turn, pieces, partial(answer_chat, turn), partial(stream_chat, turn))

    async def responses(request: Request) -> Response:
        call = read_response(await _body(request, engine), engine)
        turn = call.turn
        pieces = engine.pieces(turn.prompt_ids, turn.ask, turn.goal, layout=turn.layout, thoughts=turn.thoughts)
        answer, stream = partial(answer_response, call), partial(stream_response, call)
        return await _reply(request, engine, turn, pieces, answer, stream)

    async def completions(request: Request) -> Response:
        call = read_completion(await _body(request, engine), engine)
        pieces = engine.pieces(call.prompt_ids, call.ask, call.goal)
        answer, stream = partial(answer_completion, call), partial(stream_completion, call)
        return await _reply(request, engine, call, pieces, answer, stream)

    def counted(endpoint: Callable[[Request], Awaitable[Response]]) -> Callable[[Request], Awaitable[Response]]:
        async def answer(request: Request) -> Response:
            try:
                response = await endpoint(request)
            except ClientDisconnect:
                engine.metrics.disconnects += 1
                response = Response(status_code=499)  # nobody reads it
            except HTTPException:
                raise
            except Exception as error:
                response = _error_response(error)
            engine.metrics.count(
                request.scope["path"] if endpoint is not one_model else "/v1/models/{name}", response.status_code
            )
            return response

        return answer

    async def http_error(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        code = {404: "not_found", 405: "method_not_allowed"}.get(error.status_code, "http_error")
        message = f"{request.method} {request.url.path}: {error.detail}"
        return _error_response(RequestError(message, code=code, status=error.status_code), error.headers)

    app = Starlette(
        routes=[
            Route("/health", counted(health), methods=["GET"]),
            Route("/ready", counted(ready), methods=["GET"]),
            Route("/metrics", counted(metrics), methods=["GET"]),
            Route("/", counted(trial_page), methods=["GET"]),
            Route("/try", counted(trial), methods=["POST"]),
            Route("/openapi.json", counted(described), methods=["GET"]),
            Route("/v1/models", counted(models), methods=["GET"]),
            Route("/v1/models/{name:path}", counted(one_model), methods=["GET"]),
            Route("/v1/chat/completions", counted(chat), methods=["POST"]),
            Route("/v1/completions", counted(completions), methods=["POST"]),
            Route("/v1/responses", counted(responses), methods=["POST"]),
        ],
        exception_handlers={HTTPException: http_error},
        lifespan=lifespan,
    )
    app.add_middleware(Guard, settings=engine.settings)
    return app


def _error_response(error: Exception, headers: Any = None, *, param: str | None = None) -> Response:
    status, body, own = error_reply(error, param=param)
    return JSONResponse(body, status_code=status, headers={**(headers or {}), **own})


async def _body(request: Request, engine: Engine) -> dict[str, Any]:
    """The body as a JSON object, within its limit."""
    engine.check_ready()
    limit = engine.settings.max_body
    data = bytearray()
    async for part in request.stream():
        data += part
        if len(data) > limit:
            raise RequestError(
                f"the body has more than {limit:,} bytes, which is what this server allows",
                code="body_too_large", status=413,
            )  # fmt: skip
    return parse_body(bytes(data))


async def _reply(
    request: Request, engine: Engine, call: Call, pieces: AsyncIterator[Piece],
    answer: Callable[[AsyncIterator[Piece], Engine], Awaitable[dict[str, Any]]],
    stream: Callable[[AsyncIterator[Piece], Engine], AsyncIterator[bytes]],
) -> Response:  # fmt: skip
    """The answer, or the stream once its first event is there: what is wrong until then has a status of its own."""
    try:
        if not call.ask.streams:
            return JSONResponse(await _or_disconnect(request, _closing(pieces, answer(pieces, engine))))
        first = await _or_disconnect(request, _first(pieces))
    except Exception as error:
        await pieces.aclose()  # type: ignore[attr-defined]
        if isinstance(error, ClientDisconnect):
            raise
        return _error_response(error, param=None if call.goal is None else call.goal.param)

    async def events() -> AsyncIterator[bytes]:
        async with aclosing(pieces):  # type: ignore[type-var]
            try:
                async for data in stream(_with_first(first, pieces), engine):
                    yield data
            except asyncio.CancelledError:
                engine.metrics.disconnects += 1
                raise
            except Exception as error:
                yield event(error_reply(error, param=None if call.goal is None else call.goal.param)[1])

    return StreamingResponse(events(), media_type="text/event-stream", headers={"Cache-Control": "no-cache"})


async def _closing(pieces: AsyncIterator[Piece], work: Awaitable[T]) -> T:
    async with aclosing(pieces):  # type: ignore[type-var]
        return await work


async def _first(pieces: AsyncIterator[Piece]) -> Piece:
    return await anext(pieces)


async def _with_first(first: Piece, pieces: AsyncIterator[Piece]) -> AsyncIterator[Piece]:
    yield first
    async for piece in pieces:
        yield piece


async def _or_disconnect(request: Request, work: Awaitable[T]) -> T:
    """What the work gives; it is cancelled, and ClientDisconnect raised, when the client goes away before."""

    async def gone() -> None:
        while (await request.receive())["type"] != "http.disconnect":
            pass

    working, leaving = asyncio.ensure_future(work), asyncio.ensure_future(gone())
    try:
        await asyncio.wait({working, leaving}, return_when=asyncio.FIRST_COMPLETED)
        if working.done():
            return working.result()
        raise ClientDisconnect
    finally:
        for task in (working, leaving):
            task.cancel()
        await asyncio.gather(working, leaving, return_exceptions=True)
