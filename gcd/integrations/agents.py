"""Models for agent frameworks in the process itself: a framework's own OpenAI model, over the server's application.

Place in the walk: `gcd.serve` without a socket. The frameworks' own models are given an HTTP client that hands requests
to the application instead of to a network, so that they can do all that the server can: tools, schemas, several texts.
What streams arrives when it is complete. Needs the extra of the framework, which includes the server's.
"""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import httpx

from gcd.serve import Engine, Settings, create_app

if TYPE_CHECKING:
    from langchain_openai import ChatOpenAI
    from pydantic_ai.models.openai import OpenAIChatModel
    from smolagents import OpenAIModel

__all__ = ["InProcess", "langchain_model", "pydantic_ai_model", "smolagents_model"]


@dataclass(frozen=True, slots=True)
class InProcess:
    """HTTP clients for a model in this process: whatever speaks OpenAI's protocol through httpx can use it.

    >>> here = InProcess.of(gcd.load("smollm2"))
    >>> openai.OpenAI(base_url=here.url, api_key="none", http_client=here.client)
    """

    name: str
    url: str
    client: httpx.Client
    async_client: httpx.AsyncClient

    @classmethod
    def of(cls, model: object, *, tokenizer: object = None, name: str = "gcd", **settings: Any) -> InProcess:
        """The clients, once the model is warm; raises what kept it from that. The settings are those of a server."""
        engine = Engine(model, tokenizer=tokenizer, name=name, settings=Settings(**settings))
        warm = threading.Event()
        engine.when_warm = warm.set
        engine.start()
        warm.wait()
        if engine.error is not None:
            raise engine.error
        app: Any = create_app(engine)
        return cls(
            name, "http://localhost/v1", httpx.Client(transport=_Blocking(app)),
            httpx.AsyncClient(transport=httpx.ASGITransport(app)),
        )  # fmt: skip


class _Blocking(httpx.BaseTransport):
    """Each request in an event loop of its own, in a thread, so that it may be asked from inside of another loop."""

    def __init__(self, app: Any) -> None:
        self.inner = httpx.ASGITransport(app)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        asked = httpx.Request(request.method, request.url, headers=request.headers, content=request.read())

        async def answer() -> httpx.Response:
            response = await self.inner.handle_async_request(asked)
            return httpx.Response(response.status_code, headers=response.headers, content=await response.aread())

        with ThreadPoolExecutor(1) as pool:
            return pool.submit(lambda: asyncio.run(answer())).result()


def langchain_model(model: object, *, tokenizer: object = None, **options: Any) -> ChatOpenAI:
    """A BaseChatModel of LangChain; the options are those of `langchain_openai.ChatOpenAI`.

    >>> langchain_model(gcd.load("smollm2")).with_structured_output(Mood).invoke("I love it!")
    """
    from langchain_openai import ChatOpenAI

    here = InProcess.of(model, tokenizer=tokenizer)
    return ChatOpenAI(
        model=here.name, base_url=here.url, api_key="none", http_client=here.client,
        http_async_client=here.async_client, **options,
    )  # fmt: skip


def pydantic_ai_model(model: object, *, tokenizer: object = None, **options: Any) -> OpenAIChatModel:
    """A Model of pydantic-ai; the options are those of `pydantic_ai.models.openai.OpenAIChatModel`.

    >>> Agent(pydantic_ai_model(gcd.load("smollm2")), output_type=Mood).run_sync("I love it!").output
    """
    from pydantic_ai.models.openai import OpenAIChatModel
    from pydantic_ai.providers.openai import OpenAIProvider

    here = InProcess.of(model, tokenizer=tokenizer)
    provider = OpenAIProvider(base_url=here.url, api_key="none", http_client=here.async_client)
    return OpenAIChatModel(here.name, provider=provider, **options)


def smolagents_model(model: object, *, tokenizer: object = None, **options: Any) -> OpenAIModel:
    """A Model of smolagents; the options are those of `smolagents.OpenAIModel`.

    >>> ToolCallingAgent(tools=[], model=smolagents_model(gcd.load("smollm2"))).run("What is six times seven?")
    """
    from smolagents import OpenAIModel

    here = InProcess.of(model, tokenizer=tokenizer)
    return OpenAIModel(
        model_id=here.name, api_base=here.url, api_key="none", client_kwargs={"http_client": here.client}, **options
    )
