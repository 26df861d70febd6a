"""Prompts -> token ids. A str is encoded as it stands, chat messages go through the tokenizer's template, ids are ids.

Place in the walk: beside the Constraint, before the first forward pass. It decides what is one prompt and what is a
batch, and refuses what a model would silently misread: a second BOS, an empty start, ids outside the vocabulary.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias, cast

from gcd.errors import PromptError

if TYPE_CHECKING:
    from gcd.models.protocols import LanguageModel

__all__ = ["Prompt", "encode_prompt", "encode_text", "split_prompts"]

Message: TypeAlias = Mapping[str, Any]
Prompt: TypeAlias = str | Sequence[Message] | Sequence[int]


def split_prompts(prompt: object) -> tuple[list[Prompt], bool]:
    """The prompts of a call, and whether it was a batch.

    | given                                     | is                          |
    |-------------------------------------------|-----------------------------|
    | a str                                     | one text                    |
    | a list of dicts with "role"               | one chat                    |
    | a list of ints                            | one prompt of token ids     |
    | a list of any of these                    | a batch                     |

    Raises PromptError for an empty list and for anything else.
    """
    if isinstance(prompt, str):
        return [prompt], False
    if not isinstance(prompt, list | tuple):
        hint = "; call .tolist() on arrays and tensors" if hasattr(prompt, "tolist") else ""
        raise PromptError(f"a prompt is a str, chat messages, token ids, or a list of those, not {_kind(prompt)}{hint}")
    if not prompt:
        raise PromptError('the batch of prompts is empty: give at least one prompt; "" is the empty prompt')
    if _is_chat(prompt) or _is_ids(prompt):
        return [prompt], False
    for position, item in enumerate(prompt):
        if not (isinstance(item, str) or (isinstance(item, list | tuple) and (_is_chat(item) or _is_ids(item)))):
            raise PromptError(
                f"prompt {position} of the batch is neither a str, nor chat messages (dicts with a role), nor token "
                f"ids, but {_kind(item)}"
            )
    return list(prompt), True


def encode_prompt(prompt: Prompt, model: LanguageModel, tokenizer: Any) -> tuple[int, ...]:
    """The token ids that the model continues; raises PromptError where there are none to start from.

    >>> encode_prompt("Hello", model, tokenizer)
    (19556,)
    """
    if isinstance(prompt, str):
        ids = encode_text(tokenizer, prompt, special=True) if prompt else []
    elif prompt and _is_chat(prompt):
        ids = _encode_chat(tokenizer, cast("Sequence[Message]", prompt))
    else:
        ids = [int(token) for token in cast("Sequence[int]", prompt)]
    for token in ids:
        if not 0 <= token < model.vocab_size:
            raise PromptError(f"token {token} of the prompt is outside the model's vocabulary of {model.vocab_size:,}")
    if ids:
        return tuple(ids)
    bos = getattr(model, "bos_token_id", None)
    if bos is not None:
        return (bos,)
    if getattr(model, "needs_prompt", False):
        raise PromptError(
            "the prompt is empty and the model has no BOS token to start from: give a prompt of at least one token"
        )
    return ()


def encode_text(tokenizer: Any, text: str, *, special: bool) -> list[int]:
    """Text -> ids by any tokenizer that can encode; `special` adds what the tokenizer adds around a text (BOS)."""
    if tokenizer is None or not hasattr(tokenizer, "encode"):
        kind = "none was given" if tokenizer is None else f"a {type(tokenizer).__name__} cannot encode text"
        raise PromptError(f"a text prompt needs a tokenizer, and {kind}: pass tokenizer=, or the prompt as token ids")
    module = type(tokenizer).__module__.partition(".")[0]
    if module == "tiktoken":
        return list(tokenizer.encode(text, disallowed_special=()))
    if module == "sentencepiece":
        return list(tokenizer.encode(text, add_bos=special))
    encoded = tokenizer.encode(text, add_special_tokens=special)
    return list(getattr(encoded, "ids", encoded))


def _encode_chat(tokenizer: Any, messages: Sequence[Message]) -> list[int]:
    """Chat messages -> ids by the tokenizer's template, which writes its own BOS and the generation prompt."""
    if getattr(tokenizer, "chat_template", None) is None:
        name = "no tokenizer" if tokenizer is None else f"the tokenizer ({type(tokenizer).__name__})"
        raise PromptError(
            f"the prompt is a list of chat messages, and {name} has no chat template: give a str, or a tokenizer with "
            "one"
        )
    try:
        text = tokenizer.apply_chat_template(list(messages), add_generation_prompt=True, tokenize=False)
    except Exception as error:  # templates raise jinja2 errors of their own choosing ("roles must alternate")
        raise PromptError(f"the chat template refuses the messages: {error}") from error
    return encode_text(tokenizer, text, special=False)


def _is_chat(items: Sequence[object]) -> bool:
    return all(isinstance(item, Mapping) and "role" in item for item in items)


def _is_ids(items: Sequence[object]) -> bool:
    return all(hasattr(item, "__index__") and not isinstance(item, bool) for item in items)


def _kind(value: object) -> str:
    if isinstance(value, Mapping):
        return f"a {type(value).__name__} (one chat message goes into a list)" if "role" in value else "a dict"
    return f"a value of type {type(value).__name__}"
