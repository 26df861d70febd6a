"""Formats: how models write calls of tools and what they think, by what their chat templates have in them.

Place in the walk: a chat template -> **Layout**, from which `gcd.serve.tools` makes the language of texts and
`gcd.serve.calls` reads them. A text is

    [thinking.begin thoughts thinking.end] [opening] content
    [thinking.begin thoughts thinking.end] content calls.begin (calls.head NAME calls.middle JSON calls.tail)+ calls.end

Marks are written as text here; where the vocabulary has them as special tokens, they are those tokens. With a `quote`,
arguments are written as `gcd.serve.bare` has it instead of as JSON. The XML of Qwen3-Coder has no row: there the calls
of HERMES are explained, as for models without a format of their own (Gemma 1 to 3).
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from gcd.serve.bare import bare_text

__all__ = [
    "FORMATS",
    "HERMES",
    "THINKING",
    "CallFormat",
    "Layout",
    "Thinking",
    "call_text",
    "format_of",
    "template_of",
    "thinking_of",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class CallFormat:
    """How a model writes calls: what stands around names and arguments.

    `tag` stands in no content: calls begin there. A format that is `leading` has no tag of its own, so that calls stand
    only where the text begins. `known_by` are texts of the chat templates that write it, `unknown_by` of those that
    write something alike. `parallel`: there may be several calls. `spelled`: templates take arguments as JSON text.
    `quote` stands around the strings of arguments that are no JSON.
    """

    name: str
    head: str
    middle: str
    tail: str = ""
    begin: str = ""
    separator: str = ""
    end: str = ""
    tag: str
    known_by: tuple[str, ...]
    unknown_by: tuple[str, ...] = ()
    leading: bool = False
    parallel: bool = True
    spelled: bool = False
    quote: str = ""

    @property
    def untagged(self) -> bool:
        """Whether calls begin as JSON values may."""
        return self.tag.startswith("{")

    def written(self, calls: Iterable[tuple[str, str]]) -> str:
        r"""Calls, by their names and the JSON texts of their arguments, as texts have them.

        >>> HERMES.written([("weather", '{"city": "Oslo"}')])
        '<tool_call>\n{"name": "weather", "arguments": {"city": "Oslo"}}\n</tool_call>'
        """
        each = (f"{self.head}{name}{self.middle}{self._given(arguments)}{self.tail}" for name, arguments in calls)
        return f"{self.begin}{self.separator.join(each)}{self.end}"

    def _given(self, arguments: str) -> str:
        return bare_text(json.loads(arguments), self.quote) if self.quote else arguments


HERMES = CallFormat(
    name="hermes", head='<tool_call>\n{"name": "', middle='", "arguments": ', tail="}\n</tool_call>", separator="\n",
    tag="<tool_call>", known_by=("<tool_call>",), unknown_by=("<function",),
)  # fmt: skip

FORMATS: tuple[CallFormat, ...] = (
    HERMES,
    CallFormat(  # v11 and later, but for the versions that write an id between name and arguments
        name="mistral", head="[TOOL_CALLS]", middle="[ARGS]", tag="[TOOL_CALLS]", known_by=("[TOOL_CALLS]", "[ARGS]"),
        unknown_by=("[CALL_ID]",),
    ),
    CallFormat(
        name="mistral-v3", begin="[TOOL_CALLS] [", head='{"name": "', middle='", "arguments": ', tail="}",
        separator=", ", end="]", tag="[TOOL_CALLS]", known_by=("[TOOL_CALLS] [",), unknown_by=("[ARGS]",),
    ),
    CallFormat(
        name="mistral-nemo", begin="[TOOL_CALLS][", head='{"name": "', middle='", "arguments": ', tail="}",
        separator=", ", end="]", tag="[TOOL_CALLS]", known_by=("[TOOL_CALLS][",), unknown_by=("[ARGS]",),
    ),
    CallFormat(
        name="deepseek-v3", begin="<｜tool▁calls▁begin｜>", head="<｜tool▁call▁begin｜>function<｜tool▁sep｜>",
        middle="\n```json\n", tail="\n```<｜tool▁call▁end｜>", separator="\n", end="<｜tool▁calls▁end｜>",
        tag="<｜tool▁calls▁begin｜>", known_by=("<｜tool▁calls▁begin｜>", "```json"), spelled=True,
    ),
    CallFormat(
        name="deepseek-v3.1", begin="<｜tool▁calls▁begin｜>", head="<｜tool▁call▁begin｜>", middle="<｜tool▁sep｜>",
        tail="<｜tool▁call▁end｜>", end="<｜tool▁calls▁end｜>", tag="<｜tool▁calls▁begin｜>",
        known_by=("<｜tool▁calls▁begin｜>", "<｜tool▁sep｜>"), unknown_by=("```json",), spelled=True,
    ),
    CallFormat(
        name="function-gemma", head="<start_function_call>call:", middle="", tail="<end_function_call>",
        tag="<start_function_call>", known_by=("<start_function_call>call:", "<escape>"), quote="<escape>",
    ),
    CallFormat(
        name="gemma", head="<|tool_call>call:", middle="", tail="<tool_call|>", tag="<|tool_call>",
        known_by=("<|tool_call>call:", '<|"|>'), quote='<|"|>',
    ),
    CallFormat(
        name="harmony", head="<|channel|>commentary to=functions.", middle=" <|constrain|>json<|message|>",
        tag="<|channel|>commentary to=functions.", known_by=("<|channel|>", "<|call|>"), leading=True, parallel=False,
    ),
    CallFormat(
        name="llama", head='{"name": "', middle='", "parameters": ', tail="}", tag='{"name": "',
        known_by=("<|python_tag|>", '"parameters": '), leading=True, parallel=False,
    ),
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Thinking:
    """How a model writes what it thinks before it answers; contents begin with the `opening`."""

    begin: str
    end: str
    opening: str = ""


THINKING: tuple[Thinking, ...] = (
    Thinking(begin="<think>", end="</think>"),
    Thinking(begin="[THINK]", end="[/THINK]"),
    Thinking(begin="<|channel>thought\n", end="<channel|>"),
    Thinking(
        begin="<|channel|>analysis<|message|>", end="<|end|><|start|>assistant",
        opening="<|channel|>final<|message|>",
    ),
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """What a text may be made of: calls in a format or none, thoughts or none.

    `opened`: the prompt ends where thoughts have begun. `answers`: what is no call is a value, where tags mean nothing.
    """

    calls: CallFormat | None = None
    thinking: Thinking | None = None
    opened: bool = False
    answers: bool = False

    @property
    def marks(self) -> tuple[str, ...]:
        """All texts that stand around names, arguments, thoughts and contents."""
        found: tuple[str, ...] = ()
        if self.calls is not None:
            each = self.calls
            found = (each.begin, each.head, each.middle, each.tail, each.separator, each.end, each.quote)
        if self.thinking is not None:
            found += (self.thinking.begin, self.thinking.end, self.thinking.opening)
        return found


def template_of(tokenizer: Any) -> str:
    """The chat template of a tokenizer, all of them where it has several; "" for none."""
    template = getattr(tokenizer, "chat_template", None)
    return "\n".join(map(str, template.values())) if isinstance(template, dict) else str(template or "")


def format_of(template: str) -> CallFormat | None:
    """The format that a chat template writes calls in; None where it writes none, or one that has no row."""
    return next(
        (
            each
            for each in FORMATS
            if all(text in template for text in each.known_by) and not any(text in template for text in each.unknown_by)
        ),
        None,
    )


def thinking_of(template: str, prompt: str) -> tuple[Thinking | None, bool]:
    """How a model thinks, and whether the prompt has begun it; None where it does not, or the prompt ends it."""
    known = (each for each in THINKING if (each.opening or each.end) in template)
    thinking = next(known, None)
    if thinking is None or prompt.rstrip().endswith(thinking.end):
        return None, False
    return thinking, prompt.rstrip().endswith(thinking.begin)


def call_text(arguments: object) -> str:
    """Arguments as JSON text, which they may be already."""
    return arguments if isinstance(arguments, str) else json.dumps(arguments, ensure_ascii=False)
