"""Generation: one finished text with its value, and Stream: the pieces of a text as they are decided."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import chain
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from gcd.partials import Items, Partials, Shape

if TYPE_CHECKING:
    from gcd.errors import GenerationError
    from grammars.errors import GrammarError
    from tokenizer_align.errors import AlignmentError

__all__ = ["AsyncStream", "FinishReason", "Generation", "Stream"]

FinishReason: TypeAlias = Literal["stop", "length", "error"]


@dataclass(frozen=True, slots=True)
class Generation:
    """One text inside the language, and how it came about.

    | field             | what it is                                                                                 |
    |-------------------|--------------------------------------------------------------------------------------------|
    | `value`           | what was asked for: an instance, a dict, a member of choices, otherwise the text           |
    | `text`            | the bytes of the tokens as UTF-8 (bytes that are none survive as surrogate escapes)        |
    | `token_ids`       | the generated tokens, the EOS that ended them included                                     |
    | `logprob`         | Σ log p(token | before) under the model alone, neither masked nor warped, EOS included     |
    |                   | (nan, as `masked_logprob`, for a diffusion model, which has no such sum)                   |
    | `masked_logprob`  | Σ log of the probability with which each token was really drawn, 0 for a forced one; with  |
    |                   | another method than "mask", of the text in its last attempt (nan for "mcmc" and "smc")     |
    | `finish_reason`   | "stop"; "length" when the budget narrowed a mask, the text being complete all the same     |
    | `budget_bound_at` | the first step at which it did, None with "stop"; for a diffusion model "length" is a text |
    |                   | that fills its canvas to the end, where this is how long it is                             |
    | `seed`            | the seed of the call: drawn from the operating system when none was given                  |
    | `model_calls`     | the forward passes of the batch until this text was complete                               |
    | `prompt_token_ids`| what the model was given to continue                                                       |
    | `error`           | with `errors="return"`: what went wrong here; then `value` is None, and `finish_reason` is |
    |                   | "error" unless the text was complete and its validation failed                             |
    | `widened`         | what `approximate="over"` left out of the grammar, with its place; the finished value was  |
    |                   | validated against all of the schema, unless `validate=False`                               |
    | `captures`        | of a grammar with names for parts of it: each name with the texts of these parts, in order |
    """

    value: Any
    text: str
    token_ids: tuple[int, ...]
    logprob: float
    masked_logprob: float
    finish_reason: FinishReason
    budget_bound_at: int | None
    seed: int
    model_calls: int
    prompt_token_ids: tuple[int, ...]
    error: GenerationError | AlignmentError | GrammarError | None = None
    widened: tuple[str, ...] = ()
    captures: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


class Stream:
    """The pieces of one text, in order, each a non-empty str; then `result` is its Generation.

    >>> for piece in (stream := gcd.stream(model, "A number:", regex="[0-9]+")):
    ...     print(piece, end="")
    >>> stream.result.value

    Characters are never cut: bytes wait until their character is whole. Errors arise where the iteration is.
    In place of the pieces there are `partials()`, and `items()` of an array.
    """

    def __init__(self, steps: Iterator[str | Generation], shape: Callable[[], Shape] | None = None) -> None:
        self._steps = steps
        self._shape = shape
        self._seen: list[str] = []
        self._result: Generation | None = None

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        for step in self._steps:
            if isinstance(step, str):
                self._seen.append(step)
                return step
            self._result = step
        raise StopIteration

    def partials(self) -> Iterator[Any]:
        """The value as far as it is decided, each time that it is another one; the last one is `result.value`.

        >>> for person in gcd.stream(model, "Ada, 36 ->", schema=Person).partials():
        ...     print(person)
        Person()
        Person(name='A')
        Person(name='Ada', age=36)

        A string is shown as far as it has come, a number when it is over. What is not decided is absent: models lack
        the attribute (`model_fields_set` names those that are there; defaults come with the last value), dataclasses
        too (`vars` has what is there: their repr needs all), dicts the key, lists and tuples the items. Complete parts
        are instances of their types, which the partial values share; types other than `str` are absent until their text
        is complete, unions until one member fits. What is no JSON is a str. Of tools, a call is a dict until the end.
        """
        return self._following(Partials)

    def items(self) -> Iterator[Any]:
        """The items of an array, each when it is complete, as instances of their type.

        >>> for person in gcd.stream(model, "People:", schema=list[Person]).items():
        ...     print(person.name)

        Raises ValueError for a text that is no array, ValidationFailed for an item that a validator refuses.
        """
        return self._following(Items)

    def _following(self, kind: type[Partials] | type[Items]) -> Iterator[Any]:
        follow = self._follow(kind)
        for piece in chain(tuple(self._seen), self):
            yield from follow.after(piece)
        yield from follow.at_end(self.result)

    def _follow(self, kind: type[Partials] | type[Items]) -> Partials | Items:
        return kind(Shape() if self._shape is None else self._shape())

    @property
    def result(self) -> Generation:
        """The finished Generation; runs the rest of the stream when it was not read to its end."""
        for _ in self:
            pass
        if self._result is None:
            raise RuntimeError("the stream was closed before its text was complete: it has no result")
        return self._result

    def close(self) -> None:
        """Stop generating; pieces that were not read are lost."""
        close = getattr(self._steps, "close", None)
        if close is not None:
            close()


class AsyncStream:
    """A Stream whose steps run in threads, one at a time; `result` is there when the iteration is over."""

    def __init__(self, start: Callable[[], Stream]) -> None:
        self._start = start
        self._stream: Stream | None = None

    def __aiter__(self) -> AsyncStream:
        return self

    async def __anext__(self) -> str:
        import asyncio

        piece = await asyncio.to_thread(next, await self._started(), None)
        if piece is None:
            raise StopAsyncIteration
        return piece

    async def _started(self) -> Stream:
        import asyncio

        if self._stream is None:
            self._stream = await asyncio.to_thread(self._start)
        return self._stream

    def partials(self) -> AsyncIterator[Any]:
        """`Stream.partials`, asynchronously."""
        return self._following(Partials)

    def items(self) -> AsyncIterator[Any]:
        """`Stream.items`, asynchronously."""
        return self._following(Items)

    async def _following(self, kind: type[Partials] | type[Items]) -> AsyncIterator[Any]:
        stream = await self._started()
        follow = stream._follow(kind)
        for piece in tuple(stream._seen):
            for value in follow.after(piece):
                yield value
        async for piece in self:
            for value in follow.after(piece):
                yield value
        for value in follow.at_end(self.result):
            yield value

    @property
    def result(self) -> Generation:
        """The finished Generation; RuntimeError while pieces are outstanding."""
        if self._stream is None or self._stream._result is None:
            raise RuntimeError("the stream has not been read to its end: it has no result yet")
        return self._stream._result
