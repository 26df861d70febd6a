"""Agent frameworks against the server, unmodified: each gets its typed answer; skipped where one is not installed."""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import io
import os
import re
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Literal

import pydantic
import pytest
from served import says, scripted, serving

from gcd.serve.formats import HERMES

REASON = "an agent framework of the group `clients` that is not installed"
# what frameworks warn about concerns themselves
pytestmark = pytest.mark.filterwarnings("ignore")

os.environ.update(LITELLM_LOCAL_MODEL_COST_MAP="True", LANGSMITH_TRACING="false", ANONYMIZED_TELEMETRY="false")


class Person(pydantic.BaseModel):
    """Somebody."""

    name: Literal["Ada", "Grace"]
    age: int


@pytest.fixture(scope="module")
def base(server: str) -> str:
    """The base URL of a server whose model is noise: what is right comes from the constraint alone."""
    return f"{server}/v1"


@pytest.mark.parametrize("method", ["json_schema", "function_calling", "json_mode"])
def test_langchain(base: str, method: Any) -> None:
    langchain = pytest.importorskip("langchain_openai", reason=REASON)
    model = langchain.ChatOpenAI(model="m", base_url=base, api_key="none", seed=1, max_retries=0)
    if method == "json_mode":
        assert isinstance(model.with_structured_output(None, method=method).invoke("Who? As JSON."), dict)
    else:
        assert isinstance(model.with_structured_output(Person, method=method).invoke("Who?"), Person)
        *_, last = model.with_structured_output(Person, method=method).stream("Who?")
        assert isinstance(last, Person)


@pytest.mark.parametrize("kind", ["ToolOutput", "NativeOutput"])
def test_pydantic_ai(base: str, kind: str) -> None:
    ai = pytest.importorskip("pydantic_ai", reason=REASON)

    async def run(agent: Any) -> Any:
        return (await agent.run("Who?", model_settings={"seed": 1, "max_tokens": 400})).output

    assert isinstance(with_agent(base, getattr(ai, kind)(Person), run), Person)


def test_pydantic_ai_streams() -> None:
    pytest.importorskip("pydantic_ai", reason=REASON)

    async def run(agent: Any) -> Any:
        async with agent.run_stream("Who?", model_settings={"temperature": 0}) as result:
            return [output async for output in result.stream_output(debounce_by=None)]

    with serving(scripted(says(HERMES.written([("final_result", '{"name": "Grace", "age": 85}')])))) as (url, _):
        assert with_agent(f"{url}/v1", Person, run)[-1] == Person(name="Grace", age=85)


def with_agent(base: str, output: Any, run: Callable[[Any], Awaitable[Any]]) -> Any:
    """What `run` makes of an agent of pydantic-ai with that type of output."""
    import httpx
    from pydantic_ai import Agent
    from pydantic_ai.models.openai import OpenAIChatModel
    from pydantic_ai.providers.openai import OpenAIProvider

    async def work() -> Any:
        async with httpx.AsyncClient(verify=False) as http:
            provider = OpenAIProvider(base_url=base, api_key="none", http_client=http)
            return await run(Agent(OpenAIChatModel("m", provider=provider), output_type=output))

    return asyncio.run(work())


@pytest.mark.parametrize("mode", ["TOOLS", "JSON_SCHEMA"])
def test_instructor(base: str, mode: str) -> None:
    instructor = pytest.importorskip("instructor", reason=REASON)
    import openai

    with openai.OpenAI(base_url=base, api_key="none") as plain:
        client = instructor.from_openai(plain, mode=instructor.Mode[mode])
        wish: dict[str, Any] = {
            "model": "m", "messages": [{"role": "user", "content": "Who?"}], "seed": 1, "max_tokens": 400,
        }  # fmt: skip
        whole = client.chat.completions.create(response_model=Person, **wish)
        assert isinstance(whole, Person)
        *_, last = client.chat.completions.create_partial(response_model=Person, **wish)
        assert last.model_dump() == whole.model_dump()


def test_smolagents() -> None:
    smolagents = pytest.importorskip("smolagents", reason=REASON)
    text = HERMES.written([("final_answer", '{"answer": "42"}')])
    with serving(scripted(says(text))) as (url, _):
        model = smolagents.OpenAIModel(model_id="m", api_base=f"{url}/v1", api_key="none", temperature=0)
        agent = smolagents.ToolCallingAgent(tools=[], model=model, verbosity_level=0)
        assert agent.run("What is six times seven?") == "42"


def test_llama_index(base: str) -> None:
    like = pytest.importorskip("llama_index.llms.openai_like", reason=REASON)
    for structured in (False, True):
        model = like.OpenAILike(
            model="m", api_base=base, api_key="none", is_chat_model=True, is_function_calling_model=not structured,
            should_use_structured_outputs=structured, max_tokens=400, additional_kwargs={"seed": 1},
        )  # fmt: skip
        assert isinstance(model.as_structured_llm(Person).complete("Who?").raw, Person)


def test_litellm(base: str) -> None:
    litellm = pytest.importorskip("litellm", reason=REASON)
    wish: dict[str, Any] = {
        "model": "openai/m", "api_base": base, "api_key": "none", "seed": 1, "response_format": Person,
        "messages": [{"role": "user", "content": "Who?"}],
    }  # fmt: skip
    whole = litellm.completion(**wish).choices[0].message.content
    assert Person.model_validate_json(whole)
    streamed = [chunk.choices[0].delta.content or "" for chunk in litellm.completion(stream=True, **wish)]
    assert "".join(streamed) == whole


# -- the same frameworks without a server: gcd.integrations.agents


def test_langchain_in_process() -> None:
    pytest.importorskip("langchain_openai", reason=REASON)
    from gcd.integrations.agents import langchain_model

    model = langchain_model(scripted(), seed=1).with_structured_output(Person)
    assert isinstance(model.invoke("Who?"), Person)
    assert isinstance(asyncio.run(model.ainvoke("Who?")), Person)
    *_, last = model.stream("Who?")
    assert isinstance(last, Person)


def test_pydantic_ai_in_process() -> None:
    ai = pytest.importorskip("pydantic_ai", reason=REASON)
    from gcd.integrations.agents import pydantic_ai_model

    agent = ai.Agent(pydantic_ai_model(scripted()), output_type=Person)
    assert isinstance(agent.run_sync("Who?", model_settings={"seed": 1, "max_tokens": 400}).output, Person)


def test_smolagents_in_process() -> None:
    smolagents = pytest.importorskip("smolagents", reason=REASON)
    from gcd.integrations.agents import smolagents_model

    model = smolagents_model(scripted(says(HERMES.written([("final_answer", '{"answer": "42"}')]))), temperature=0)
    assert smolagents.ToolCallingAgent(tools=[], model=model, verbosity_level=0).run("What is six times seven?") == "42"


# -- the examples of docs/agents.md

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "agents.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"^### (.*?)\n\n```py\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


IN_PROCESS = {
    "LangChain, in-process": "langchain_openai",
    "pydantic-ai, in-process": "pydantic_ai",
    "smolagents, in-process": "smolagents",
}
"""Examples without a server, and what they import by ours."""


@pytest.mark.parametrize(("name", "code"), EXAMPLES, ids=[name for name, _ in EXAMPLES])
def test_examples_of_the_page_run(name: str, code: str, request: pytest.FixtureRequest) -> None:
    for module in [*re.findall(r"^(?:from|import) (\S+)", code, re.MULTILINE), IN_PROCESS.get(name, "gcd")]:
        if importlib.util.find_spec(module.partition(".")[0]) is None:
            pytest.skip(REASON)
    assert len(code.splitlines()) < 20
    if name in IN_PROCESS:
        request.getfixturevalue("embedded_model")
    with serving(scripted(), name="smollm2", default_tokens=400) as (url, _):
        code = code.replace("http://localhost:8000", url)
        if name == "openai":  # it closes what it opens, so that it need not be a process of seconds
            printed = io.StringIO()
            with contextlib.redirect_stdout(printed):
                exec(compile(code, name, "exec", dont_inherit=True), {"__name__": "example"})
            assert re.search("happy|sad", printed.getvalue())
            return
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() if name.startswith("smolagents") else re.search("happy|sad", done.stdout)
