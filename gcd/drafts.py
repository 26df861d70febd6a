"""sketch: a draft from anywhere -> a text of the language that is near to it, with its value.

Place in the walk: beside `generate`, for models that give texts and no logits: an API, a person, an older run. The
draft is free; what comes back is in the language, whole, and never cut off. Without a model it is the nearest text by
edits, with one it is what that model writes when it has seen the draft.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack

from gcd.errors import InvalidGrammar
from gcd.parse import parse_wanted
from grammars.frontends.schema_options import SchemaOptions

if TYPE_CHECKING:
    from gcd.parse import Wanted

__all__ = ["Sketch", "sketch"]


@dataclass(frozen=True, slots=True)
class Sketch:
    """A `value` and its `text`, the `draft` that it was made of, and the characters by which they differ.

    `edits` is None where a model wrote the text.
    """

    value: Any
    text: str
    draft: str
    edits: int | None


def sketch(
    draft: str | Callable[[], str],
    *,
    schema: object = None,
    regex: str | Path | None = None,
    grammar: str | Path | None = None,
    choices: Path | Sequence[str] | None = None,
    model: object = None,
    tokenizer: object = None,
    prompt: Callable[[str], str] = "{}\n\nThe same, in the right form: ".format,
    max_new_tokens: int = 512,
    max_places: int = 50_000,
    validate: bool = True,
    **options: Unpack[SchemaOptions],
) -> Sketch:
    """A text of the language near to a draft, which is a str or is asked for once.

    >>> gcd.sketch('{"name": "Ada", "age": 36', schema=Person)
    Sketch(value=Person(name="Ada", age=36), text='{"name": "Ada", "age": 36}', draft=..., edits=1)

    What is wanted and the options are those of `gcd.generate`. Without a `model` it is the text that differs from the
    draft by the fewest characters, looked for at up to `max_places` places (LimitExceeded): it mends a form, and knows
    nothing of meaning. With a `model` it is `gcd.generate(model, prompt(draft), temperature=0)`, within
    `max_new_tokens`, and whole.

    Raises what `gcd.generate` raises.
    """
    wanted = parse_wanted(schema=schema, regex=regex, grammar=grammar, choices=choices, **options)
    text = draft if isinstance(draft, str) else draft()
    if not isinstance(text, str):
        raise InvalidGrammar(f"a draft is a str, not {type(text).__name__}")
    if model is not None:
        from gcd.generate import generate

        made = generate(
            model, prompt(text), schema=schema, regex=regex, grammar=grammar, choices=choices, tokenizer=tokenizer,
            temperature=0, max_new_tokens=max_new_tokens, validate=validate, **options,
        )  # fmt: skip
        return Sketch(made.value, made.text, text, None)
    found, edits = _nearest(wanted, text, max_places)
    return Sketch(wanted.to_value(found, validate=validate), found, text, edits)


def _nearest(wanted: Wanted, draft: str, max_places: int) -> tuple[str, int]:
    from grammars.compile import compile_grammar
    from grammars.nearest import nearest

    found = nearest(compile_grammar(wanted.to_grammar()), draft, max_places=max_places)
    return found.text, found.edits
