"""The page at `/`: what it is made of, what it asks, and what a browser makes of the answer; `/openapi.json`."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from served import CLIENT, error, scripted, serving

import gcd
import gcd.serve.app
from gcd.serve import Engine, create_app, trial
from gcd.serve.openapi import POSTED, openapi


def tried(url: str, **body: Any) -> Any:
    return CLIENT.post(f"{url}/try", json=body)


def test_the_page_is_whole_in_itself(server: str) -> None:
    reply = CLIENT.get(f"{server}/")
    html = reply.text
    assert reply.headers["content-type"] == "text/html; charset=utf-8"
    assert re.fullmatch(
        r"default-src 'none'; script-src 'sha256-[\w+/=]{44}'; style-src 'sha256-[\w+/=]{44}'; connect-src 'self'; "
        r"base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
        reply.headers["content-security-policy"],
    )
    assert not re.findall(r"https?:|//[a-z]|src=|href=|url\(|@import|\bon\w+=|style=|innerHTML|eval", html)


def test_each_token_comes_with_what_was_allowed(server: str) -> None:
    """Against a constraint of our own, and the text of `generate`."""
    pattern = "ab[cd]{2}|ax"
    model = scripted()
    expected = gcd.generate(model, "Hi", tokenizer=model.tokenizer, regex=pattern, seed=3)
    found = tried(server, kind="regex", text=pattern, prompt="Hi", seed=3).json()
    assert (found["text"], found["finish_reason"], found["keywords"]) == (expected.text, "stop", [])
    assert "".join(step["token"] for step in found["tokens"]) == expected.text
    told = {"": ["a"], "a": ["b", "x"], "ab": ["c", "d"], "abc": ["c", "d"], "abd": ["c", "d"]}
    for i, step in enumerate(found["tokens"]):
        assert step["such_as"] == told[expected.text[:i]]
        assert step["allowed"] == len(step["such_as"])
    ends = trial._steps(gcd.compile(regex="a{1,3}", tokenizer=model), [97, 97])
    assert [step["such_as"] for step in ends] == [["a"], ["a", "(end)", "(end)"]]


def test_a_schema_is_checked_keyword_by_keyword(server: str) -> None:
    schema = json.dumps({"title": "T", "type": "integer", "minimum": 0, "maximum": 9})
    found = tried(server, kind="schema", text=schema, prompt="Hi").json()
    assert 0 <= int(found["text"]) <= 9
    status = {use["place"].removeprefix("#"): use["status"] for use in found["keywords"]}
    assert status == {"/title": "annotation", "/type": "enforced", "/minimum": "enforced", "/maximum": "enforced"}


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"text": "a"}, (400, "kind", "missing", "kind is missing")),
        ({"kind": "sql", "text": "a"},
         (400, "kind", "invalid_value", "kind must be one of 'schema', 'regex', 'grammar', not \"sql\"")),
        ({"kind": "regex", "text": r"(a)\1"}, (400, "text", "unsupported_feature", None)),
        ({"kind": "schema", "text": '{"minimum": "<b>"}'}, (400, "text", "invalid_grammar", None)),
        ({"kind": "regex", "text": "a{99}", "max_tokens": 5}, (400, "max_tokens", "budget_too_small", None)),
    ],
)  # fmt: skip
def test_what_cannot_be_tried_is_named(server: str, body: dict[str, Any], expected: tuple[Any, ...]) -> None:
    found = error(tried(server, prompt="Hi", **body))
    assert found[:3] == expected[:3]
    assert expected[3] in (found[3], None)


def test_the_page_is_given_without_a_key_and_nothing_is_tried_without() -> None:
    with serving(scripted(), api_key="s3cret") as (url, _):
        assert CLIENT.get(f"{url}/").status_code == 200
        assert error(tried(url, kind="regex", text="a"))[2] == "invalid_api_key"
        assert CLIENT.get(f"{url}/openapi.json").status_code == 401


def test_all_endpoints_are_described_and_no_others(server: str) -> None:
    found = CLIENT.get(f"{server}/openapi.json").json()
    assert found == openapi("m")
    app = create_app(Engine(scripted()))
    routes = {(route.path.replace(":path", ""), method) for route in app.routes for method in route.methods}  # type: ignore[attr-defined]
    described = {(path, method.upper()) for path, methods in found["paths"].items() for method in methods}
    assert {(path, method) for path, method in routes if method != "HEAD"} == described
    for _, schema in POSTED.values():
        jsonschema.Draft202012Validator.check_schema(schema)


CHROMIUM = next(
    (found for name in ("chromium", "chromium-browser", "google-chrome") if (found := shutil.which(name))), None
)


@pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium here: apt-get install chromium")
def test_a_browser_shows_tokens_and_runs_nothing_that_a_model_says(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The page as it is, but that its form is sent at once; the model says markup, which stays text."""
    said = "<img src=x onerror=document.title='run'>"
    html = trial.page().replace("</script>", 'at("form").requestSubmit();\n</script>').replace(
        '<option value="regex">', '<option value="regex" selected>'
    )  # fmt: skip
    html = re.sub("(<textarea[^>]*>).*(</textarea>)", r"\1.{40,}\2", html)
    trial.policy.cache_clear()
    for module in (trial, gcd.serve.app):
        monkeypatch.setattr(module, "page", lambda: html)
    try:
        with serving(scripted(says_at_once(said))) as (url, _):
            assert CHROMIUM is not None
            line = [CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path}",
                    "--virtual-time-budget=20000", "--dump-dom", f"{url}/"]  # fmt: skip
            dom = subprocess.run(line, capture_output=True, text=True, timeout=120, check=True).stdout
    finally:
        trial.policy.cache_clear()
    tokens = re.findall(r'<span title="([^"]*)" tabindex="0"[^>]*>(.*?)</span>', dom)
    assert [token for _, token in tokens][:4] == ["&lt;", "i", "m", "g"]
    assert tokens[0][0].startswith("178 allowed: ")  # bytes that begin a character other than a line feed
    assert "<title>gcd</title>" in dom
    assert "<img" not in dom


def says_at_once(text: str) -> Any:
    """A model that says a text behind any prompt that ends with the page's."""
    prompt = list(b"London -> ")
    tokens = [*text.encode(), 257]

    def script(prefix: tuple[int, ...]) -> list[float]:
        ids = list(prefix)
        begin = next((i for i in range(len(ids)) if ids[i - len(prompt) : i] == prompt), len(ids))
        found = [1e-6] * 259
        found[tokens[min(len(ids) - begin, len(tokens) - 1)]] = 1.0
        return found

    return script
