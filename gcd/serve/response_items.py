"""Items: what a response of /v1/responses is made of, read from requests and written into answers.

Place in the walk: beside `gcd.serve.messages` on the way in, behind `gcd.serve.turn` on the way out. A text is one
message, unless it is empty, and one item for each of its calls; the events of a stream say how these grow.
"""

from __future__ import annotations

import json
import secrets
from typing import Any

from gcd.serve.calls import Arguments, Begun, Content, Part, Thought
from gcd.serve.fields import Fields, shown
from gcd.serve.messages import ROLES, call_of, read_content, short_id
from gcd.serve.turn import TextReader

__all__ = ["ItemWriter", "read_items"]

Event = dict[str, Any]

LEFT_OUT = ("reasoning", "item_reference", "compaction")
"""Items that say nothing to a model: what it thought, or what this server does not store."""


def read_items(fields: Fields) -> list[dict[str, Any]]:
    """The messages that `instructions` and `input` say, as `gcd.serve.messages.read_messages` gives them.

    `[{"role": "user", "content": "Hi"}]`, `"Hi"` and items of type `message`, `function_call` and
    `function_call_output` are known. Raises RequestError for others.
    """
    messages: list[dict[str, Any]] = []
    instructions = fields.of(str, "instructions")
    if instructions:
        messages.append({"role": "system", "content": instructions})
    if isinstance(fields.any("input"), str):
        messages.append({"role": "user", "content": fields.any("input")})
    else:
        for item in fields.each("input") or ():
            _add(item, messages)
    if not any(message["role"] != "system" for message in messages):
        raise fields.fail("input", "must be a text or have at least one message", code="missing")
    return messages


def _add(item: Fields, messages: list[dict[str, Any]]) -> None:
    kind = item.of(str, "type") or "message"
    match kind:
        case "message":
            role = item.of(str, "role")
            if role is None or role not in ROLES or role == "tool":
                raise item.fail("role", f"must be one of system, developer, user, assistant, not {shown(role)}")
            messages.append({"role": ROLES[role], "content": read_content(item)})
        case "function_call":  # belongs to the message before it, where that is the model's own
            if not messages or messages[-1]["role"] != "assistant":
                messages.append({"role": "assistant", "content": ""})
            messages[-1].setdefault("tool_calls", []).append(call_of(item, item.of(str, "call_id") or ""))
        case "function_call_output":
            call_id = short_id(item.of(str, "call_id") or "")
            messages.append({"role": "tool", "tool_call_id": call_id, "content": read_content(item, "output")})
        case _ if kind not in LEFT_OUT:
            raise item.fail(
                "type", f"must be 'message', 'function_call' or 'function_call_output', not {shown(kind)}",
                code="unsupported_parameter",
            )  # fmt: skip


class ItemWriter:
    """The `output` of a response, and the events that say how it grows."""

    def __init__(self, reader: TextReader) -> None:
        self.output: list[dict[str, Any]] = []
        self._reader = reader
        self._logprobs: list[dict[str, Any]] = []

    def write(self, parts: list[Part], logprobs: list[dict[str, Any]]) -> list[Event]:
        """The events of some more parts of the text, with the log-probabilities of their tokens."""
        self._logprobs += logprobs
        events: list[Event] = []
        for part in parts:
            match part:
                case Thought(text):
                    if self._open("reasoning") is None:
                        events += self._begin("reasoning", "rs", summary=[], content=[])
                        events += self._begin_part({"type": "reasoning_text", "text": ""})
                    self.output[-1]["content"][0]["text"] += text
                    events.append(self._event("reasoning_text.delta", content_index=0, delta=text))
                case Content(text):
                    if self._open("message") is None:
                        events += self._close("completed")
                        events += self._begin_message()
                    self.output[-1]["content"][0]["text"] += text
                    events.append(self._event("output_text.delta", content_index=0, delta=text, logprobs=logprobs))
                    logprobs = []
                case Begun(index, name):
                    events += self._close("completed")
                    call = {"name": name, "arguments": "", "call_id": self._reader.calls[index].id}
                    events += self._begin("function_call", "fc", **call)
                case Arguments(_, text):
                    self.output[-1]["arguments"] += text
                    events.append(self._event("function_call_arguments.delta", delta=text))
        return events

    def end(self, status: str) -> list[Event]:
        """The events of the end of the text; a text without any part is an empty message."""
        said = any(item["type"] != "reasoning" for item in self.output)
        begun = [] if said else [*self._close("completed"), *self._begin_message()]
        return [*begun, *self._close(status)]

    def _open(self, kind: str) -> dict[str, Any] | None:
        """The item that is being written, if it is one of that kind."""
        last = self.output[-1] if self.output else None
        return last if last is not None and last["type"] == kind and last["status"] == "in_progress" else None

    def _begin_message(self) -> list[Event]:
        begun = self._begin("message", "msg", role="assistant", content=[])
        return begun + self._begin_part({"type": "output_text", "text": "", "annotations": [], "logprobs": []})

    def _begin_part(self, part: dict[str, Any]) -> list[Event]:
        self.output[-1]["content"].append(part)
        return [self._event("content_part.added", content_index=0, part=part)]

    def _begin(self, kind: str, prefix: str, **item: Any) -> list[Event]:
        found = {"type": kind, "id": f"{prefix}_{secrets.token_hex(12)}", "status": "in_progress", **item}
        self.output.append(found)
        return [{"type": "response.output_item.added", "output_index": len(self.output) - 1, "item": _now(found)}]

    def _close(self, status: str) -> list[Event]:
        """End the item that is being written, if there is one."""
        events: list[Event] = []
        if (message := self._open("message")) is not None:
            (part,) = message["content"]
            part["logprobs"], self._logprobs = self._logprobs, []
            events.append(
                self._event("output_text.done", content_index=0, text=part["text"], logprobs=part["logprobs"])
            )
            events.append(self._event("content_part.done", content_index=0, part=part))
        elif (reasoning := self._open("reasoning")) is not None:
            (part,) = reasoning["content"]
            events.append(self._event("reasoning_text.done", content_index=0, text=part["text"]))
            events.append(self._event("content_part.done", content_index=0, part=part))
        elif (call := self._open("function_call")) is not None:
            done = self._event("function_call_arguments.done", name=call["name"], arguments=call["arguments"])
            events.append(done)
        else:
            return []
        self.output[-1]["status"] = status
        index = len(self.output) - 1
        return [
            *events,
            {"type": "response.output_item.done", "output_index": index, "item": _now(self.output[-1])},
        ]

    def _event(self, kind: str, **values: Any) -> Event:
        """An event about the item that is being written."""
        index = len(self.output) - 1
        return {
            "type": f"response.{kind}", "item_id": self.output[-1]["id"], "output_index": index, **_now(values),
        }  # fmt: skip


def _now(value: dict[str, Any]) -> dict[str, Any]:
    """A copy, which what is written later leaves as it is."""
    copy: dict[str, Any] = json.loads(json.dumps(value))
    return copy
