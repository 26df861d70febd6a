"""What a server does not answer, and how it says so: nothing that constrains is ever ignored."""

from __future__ import annotations

import pickle
import time
from pathlib import Path
from typing import Any

import httpx
import pytest
from served import CLIENT, ask, error, scripted, serving, wait_until

from gcd.errors import RequestError, ServerBusy
from gcd.serve import Settings
from gcd.serve.fields import parse_body
from gcd.serve.settings import is_loopback

PERSON = {"type": "object", "properties": {"age": {"type": "integer", "minimum": "x"}}}


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"model": "gpt-4"}, (404, "model", "model_not_found", "there is no model \"gpt-4\" here: 'm' is served")),
        ({"model": None}, (400, "model", "missing", "model is missing: it is 'm' here")),
        ({"messages": []}, (400, "messages", "missing", "messages must have at least one message")),
        ({"messages": "Hi"}, (400, "messages", "invalid_type", 'messages must be an array, not "Hi"')),
        ({"messages": [{"role": "robot"}]}, (400, "messages[0].role", "invalid_value",
         'messages[0].role must be one of system, developer, user, assistant, tool, not "robot"')),
        ({"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "x"}}]}]},
         (400, "messages[0].content[0].type", "unsupported_parameter",
          "messages[0].content[0].type must be 'text', not \"image_url\": the model reads text alone")),
        ({"temperature": -1}, (400, "temperature", "invalid_value",
                               "temperature must be at least 0, and finite, not -1")),
        ({"temperature": "hot"}, (400, "temperature", "invalid_type", 'temperature must be a number, not "hot"')),
        ({"top_p": 0}, (400, "top_p", "invalid_value",
                        "top_p must be more than 0: temperature 0 takes the likeliest token")),
        ({"n": 5}, (400, "n", "invalid_value", "n must be from 1 to 4, not 5")),
        ({"n": True}, (400, "n", "invalid_type", "n must be an integer, not true")),
        ({"max_tokens": 0}, (400, "max_tokens", "invalid_value", "max_tokens must be at least 1, not 0")),
        ({"max_completion_tokens": 501}, (400, "max_completion_tokens", "invalid_value",
         "max_completion_tokens is 501, and this server allows 500 tokens a text")),
        ({"top_logprobs": 2}, (400, "top_logprobs", "invalid_value", "top_logprobs goes with logprobs: true")),
        ({"stop": [""]}, (400, "stop", "invalid_type",
                          'stop must be a string or an array of strings, none of them empty, not [""]')),
        ({"stop": "x", "guided_regex": "a+"}, (400, "stop", "stop_truncates",
         "stop would cut a text that guided_regex says the end of: leave out one of them")),
        ({"logit_bias": {"5": -100}}, (400, "logit_bias", "unsupported_parameter",
                                       'logit_bias is not supported, and not ignored: {"5": -100}')),
        ({"frequency_penalty": 0.5}, (400, "frequency_penalty", "unsupported_parameter",
                                      "frequency_penalty is not supported, and not ignored: 0.5")),
        ({"functions": [{"name": "f"}]}, (400, "functions", "unsupported_parameter",
                                          'functions is not supported, and not ignored: [{"name": "f"}]')),
        ({"response_format": {"type": "yaml"}}, (400, "response_format.type", "unsupported_parameter",
         "response_format.type must be 'text', 'json_object', 'json_schema' or 'structural_tag', not \"yaml\"")),
        ({"response_format": {"type": "json_schema", "json_schema": {"name": "x"}}},
         (400, "response_format.json_schema.schema", "missing",
          "response_format.json_schema.schema is missing: it is the JSON Schema of the answer")),
        ({"response_format": {"type": "json_schema", "json_schema": {"name": "x", "schema": PERSON}}},
         (400, "response_format.json_schema.schema", "invalid_grammar",
          "response_format.json_schema.schema: minimum must be a number, got \"x\" "
          "(at #/properties/age/minimum)")),
        ({"guided_regex": r"(a)\1"}, (400, "guided_regex", "unsupported_feature", None)),
        ({"regex": "a", "guided_choice": ["b"]}, (400, "regex", "invalid_value",
         "the text is constrained twice, by guided_choice and regex: give one of them")),
        ({"guided_choice": []}, (400, "guided_choice", "invalid_grammar", None)),
        ({"json_schema": False}, (400, "json_schema", "empty_language", None)),
        ({"guided_whitespace_pattern": " "}, (400, "guided_whitespace_pattern", "unsupported_parameter",
         "guided_whitespace_pattern is not supported: whitespace is at most 32 characters a gap; "
         "disable_any_whitespace leaves it out")),
        ({"structured_outputs": {"json": True, "max_depth": 3}},
         (400, "structured_outputs.max_depth", "unsupported_parameter",
          "structured_outputs.max_depth is nothing that this server can enforce")),
        ({"schema_in_prompt": True}, (400, "schema_in_prompt", "invalid_value",
                                      "schema_in_prompt goes with a JSON Schema: in response_format, for example")),
        ({"schema_in_prompt": True, "regex": "a"}, (400, "schema_in_prompt", "invalid_value",
         "schema_in_prompt goes with a JSON Schema: in response_format, for example")),
        ({"guided_yaml": "a: b"}, (400, "guided_yaml", "unsupported_parameter",
         "guided_yaml is no way to constrain a text that this server knows, and is not ignored: use response_format or "
         "structured_outputs")),
        ({"regex": "a{99}", "max_tokens": 5}, (400, "max_tokens", "budget_too_small", None)),
        ({"json_schema": {"enum": ["x" * 4000]}}, (400, "json_schema", "schema_too_large",
         "json_schema is larger than the 4,000 bytes that this server allows")),
        ({"structured_outputs": {"structural_tag": {"format": {"type": "magic"}}}},
         (400, "structured_outputs.structural_tag", "invalid_grammar",
          'structured_outputs.structural_tag: there is no format "magic" (at #/format/type)\n'
          'formats: const_string, json_schema, regex, grammar, any_text, token, sequence, '
          'or, optional, star, plus, repeat, tag, triggered_tags, dispatch, tags_with_separator')),
    ],
)  # fmt: skip
def test_wrong_requests_are_named(server: str, body: dict[str, Any], expected: tuple[Any, ...]) -> None:
    found = error(ask(server, **body))
    assert found[:3] == expected[:3]
    assert expected[3] in (found[3], None)
    # a stream is refused in the same way: by a status, before its first event
    assert error(ask(server, **body, stream=True)) == found


def test_nobody_learns_which_files_there_are(server: str, tmp_path: Path) -> None:
    there, gone = tmp_path / "there", tmp_path / "gone"
    there.write_text("x")
    for field in ("guided_json", "guided_grammar"):
        told = [error(ask(server, **{field: str(path)}))[3].replace(path.name, "?") for path in (there, gone)]
        assert told[0] == told[1]


def test_prompts_that_cannot_be_are_named(server: str) -> None:
    assert error(ask(server, "/v1/completions", prompt=[5, 999])) == (
        400, "prompt", "invalid_prompt", "token 999 of the prompt is outside the model's vocabulary of 259",
    )  # fmt: skip
    assert error(ask(server, "/v1/completions", prompt=["a", "b"])) == (
        400, "prompt", "unsupported_parameter", "prompt is a batch: send one request a prompt",
    )  # fmt: skip
    assert error(ask(server, "/v1/completions", prompt="x", json_schema={}, schema_in_prompt=True)) == (
        400, "schema_in_prompt", "unsupported_parameter", "schema_in_prompt belongs to /v1/chat/completions",
    )  # fmt: skip
    model = scripted()
    model.context_length = 40
    model.tokenizer.chat_template = "{{ raise_exception('roles must alternate') }}"
    with serving(model) as (url, _):
        assert error(ask(url, "/v1/completions", prompt="x" * 38, regex="[ab]{5}")) == (
            400, None, "context_length_exceeded",
            "the prompt has 39 tokens and the model's context 40: the 1 that are left do not suffice; 6 would",
        )  # fmt: skip
        assert error(ask(url)) == (
            400, "messages", "invalid_prompt", "the chat template refuses the messages: roles must alternate",
        )  # fmt: skip


@pytest.mark.parametrize(
    "harmless",
    [
        {"user": "ada", "metadata": {"a": "b"}, "store": False, "service_tier": "auto", "prompt_cache_key": "x"},
        {"frequency_penalty": 0, "presence_penalty": 0.0, "logit_bias": {}, "stop": None, "n": None, "seed": None},
        {"guided_decoding_backend": "xgrammar", "guided_json": None, "response_format": {"type": "text"}},
        {"reasoning_effort": "low", "some_new_thing": {"x": 1}, "top_k": -1, "repetition_penalty": 1.0},
    ],
)  # fmt: skip
def test_what_changes_nothing_is_tolerated(server: str, harmless: dict[str, Any]) -> None:
    assert ask(server, max_tokens=3, **harmless).status_code == 200


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "the body is no JSON: Expecting value: line 1 column 1 (char 0)"),
        (b"[]", "the body must be a JSON object, not []"),
        (b'{"a": NaN}', "the body is no JSON: NaN is no JSON"),
        (b"[" * 5000, "the body is nested too deeply to be read"),
        (b"\xff", "the body is no Unicode text: 'utf-8' codec can't decode byte 0xff in position 0: "
         "invalid start byte"),
        (b'{"a": "\\ud800"}', "the body is no Unicode text: 'utf-8' codec can't encode character '\\ud800' in position "
         "7: surrogates not allowed"),
    ],
)  # fmt: skip
def test_bodies_that_are_no_json_objects(server: str, data: bytes, message: str) -> None:
    with pytest.raises(RequestError) as caught:
        parse_body(data)
    assert str(caught.value) == message
    reply = CLIENT.post(f"{server}/v1/completions", content=data, headers={"content-type": "application/json"})
    assert error(reply) == (400, None, "invalid_json", message)


def test_errors_survive_pickling() -> None:
    one = pickle.loads(pickle.dumps(RequestError("no", param="p", code="c", status=418)))
    assert (str(one), one.param, one.code, one.status) == ("no", "p", "c", 418)
    two = pickle.loads(pickle.dumps(ServerBusy("later", retry_after=7)))
    assert (str(two), two.code, two.status, two.retry_after) == ("later", "queue_full", 429, 7)


# -- who is answered


def send(url: str, method: str = "POST", path: str = "/v1/completions", **options: Any) -> tuple[int, str | None]:
    reply = CLIENT.request(method, url + path, **options)
    return reply.status_code, reply.json().get("error", {}).get("code")


def test_only_known_hosts_and_json_are_answered(server: str) -> None:
    json_type = {"content-type": "application/json"}
    assert send(server, content=b"{}", headers={"host": "evil.example", **json_type}) == (403, "host_not_allowed")
    assert send(server, content=b"{}", headers={"host": "LOCALHOST:1", **json_type})[0] == 400
    assert send(server, content=b"{}", headers={"content-type": "text/plain"}) == (415, "unsupported_media_type")
    assert send(server, content=b"{}") == (415, "unsupported_media_type")
    assert send(server, content=b"x" * 20_001, headers=json_type) == (413, "body_too_large")
    assert send(server, content=iter([b"x" * 15_000] * 2), headers=json_type) == (413, "body_too_large")
    assert send(server, "GET") == (405, "method_not_allowed")
    assert send(server, "GET", "/v2/x") == (404, "not_found")
    reply = CLIENT.options(f"{server}/v1/completions", headers={"origin": "https://evil.example"})
    assert reply.status_code == 405
    assert not [name for name in reply.headers if name.startswith("access-control")]


def test_the_key_is_asked_for_everywhere_but_for_health() -> None:
    with serving(scripted(), api_key="s3cret") as (url, _):
        for path in ("/v1/models", "/metrics"):
            assert send(url, "GET", path) == (401, "invalid_api_key")
            assert send(url, "GET", path, headers={"authorization": "Bearer wrong"}) == (401, "invalid_api_key")
            assert CLIENT.get(url + path, headers={"authorization": "Bearer s3cret"}).status_code == 200
        assert error(ask(url, prompt="x")) == (401, None, "invalid_api_key", "the API key is missing or wrong")
        assert CLIENT.get(f"{url}/health").status_code == CLIENT.get(f"{url}/ready").status_code == 200


def test_a_key_that_is_no_ascii_is_refused_and_no_bug(server: str) -> None:
    with serving(scripted(), api_key="s3cret") as (url, _):
        headers = httpx.Headers({"authorization": "Bearer schl\xfcssel"}, encoding="latin-1")
        assert send(url, "GET", "/v1/models", headers=headers) == (401, "invalid_api_key")


@pytest.mark.parametrize(
    ("host", "expected"),
    [("127.0.0.1", True), ("127.8.8.8", True), ("::1", True), ("localhost", True), ("0.0.0.0", False),
     ("192.168.0.1", False), ("::", False), ("example.com", False)],
)  # fmt: skip
def test_loopback(host: str, expected: bool) -> None:
    assert is_loopback(host) == expected


def test_settings_are_checked() -> None:
    with pytest.raises(ValueError, match=r"^max_rows must be more than 0, not 0$"):
        Settings(max_rows=0)
    with pytest.raises(ValueError, match=r"^max_n=16 texts of one request are more than max_rows=8 at once$"):
        Settings(max_rows=8)


# -- limits of time


def test_a_grammar_that_takes_too_long_is_an_error_at_once_and_is_ready_later(monkeypatch: pytest.MonkeyPatch) -> None:
    from gcd.serve.constraints import ConstraintCache

    compile_it = ConstraintCache._compile

    def slowly(self: ConstraintCache, goal: Any) -> Any:
        time.sleep(0.4)
        return compile_it(self, goal)

    monkeypatch.setattr(ConstraintCache, "_compile", slowly)
    with serving(scripted(), compile_seconds=0.1, compile_threads=1, max_compiles=2) as (url, engine):
        assert error(ask(url, regex="[ab]")) == (
            400, "regex", "compile_timeout",
            "what is wanted takes more than 0.1 s to compile: simplify it, or send it again later, when it may be "
            "ready",
        )  # fmt: skip
        # the next one does not even begin in its time, and one more finds no place
        for letters in ("cd", "ef"):
            busy = ask(url, regex=f"[{letters}]")
            assert error(busy) == (503, None, "compiling", "2 grammars wait to be compiled: try again later")
            assert busy.headers["retry-after"] == "1"
        wait_until(lambda: len(engine.constraints) == 2)
        assert ask(url, regex="[ab]").status_code == 200
        assert (engine.constraints.hits, engine.constraints.misses) == (1, 2)
