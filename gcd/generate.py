"""generate, stream and their asynchronous twins: the calls that this library is there for.

Place in the walk: the top. The functions here name and check the arguments; `gcd.run` does the work. Importing this
module imports neither torch nor the engine.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, Unpack, cast, get_args, overload

from gcd.generation import AsyncStream, Generation, Stream
from grammars.frontends.schema_options import DEFAULTS, Approximate, SchemaOptions

if TYPE_CHECKING:
    from gcd.diffusion.policies import View
    from gcd.diffusion.predictor import BlockCache
    from grammars.frontends.json_schema.registry import Schemas
    from grammars.frontends.json_schema.whitespace import Integers, KeyOrder, Whitespace
    from grammars.ir import Spelling
    from tokenizer_align.constraint import Constraint

__all__ = ["AsyncStream", "Generation", "Options", "Request", "Stream", "agenerate", "astream", "generate", "stream"]

Chat: TypeAlias = list[dict[str, Any]] | list[dict[str, str]]
OnePrompt: TypeAlias = str | list[int] | Chat
Prompts: TypeAlias = list[str] | list[list[int]] | list[list[dict[str, Any]]] | list[list[dict[str, str]]]
Method: TypeAlias = Literal[
    "mask", "asap", "cars", "mcmc", "smc", "awrs", "best_first", "beam", "distinct",
    "exact", "trajectory", "dingo", "greedy-mask",
]  # fmt: skip
Boundary: TypeAlias = Literal["token", "heal"]
Policy: TypeAlias = "Callable[[View], Sequence[int]]"
JumpAhead: TypeAlias = Literal["forced", "off", "canonical"]


class Options(SchemaOptions, total=False):
    """The keywords of `generate`, which `stream`, `agenerate` and `astream` share."""

    schema: object
    regex: str | Path | Sequence[str | Path] | None
    grammar: str | Path | Sequence[str | Path] | None
    choices: Path | Sequence[str] | Sequence[Sequence[str]] | None
    constraint: Constraint | Sequence[Constraint] | None
    tokenizer: object
    method: Method
    max_new_tokens: int
    temperature: float
    top_k: int | None
    top_p: float | None
    min_p: float | None
    seed: int | None
    errors: Literal["raise", "return"]
    boundary: Boundary
    draft: object
    draft_tokens: int
    jump_ahead: JumpAhead
    validate: bool
    batch_size: int
    steps: int | None
    block_length: int | None
    block_cache: BlockCache | None
    policy: Policy | None
    particles: int | None
    progress: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """The arguments of one call, their values checked; raises ValueError for one that is none of those allowed."""

    model: object
    prompt: object
    schema: object = None
    regex: object = None
    grammar: object = None
    choices: object = None
    constraint: Constraint | Sequence[Constraint] | None = None
    tokenizer: object = None
    n: int = 1
    method: Method = "mask"
    max_new_tokens: int = 512
    temperature: float = 1.0
    top_k: int | None = None
    top_p: float | None = None
    min_p: float | None = None
    seed: int | None = None
    errors: Literal["raise", "return"] = "raise"
    whitespace: Whitespace = "bounded"
    key_order: KeyOrder = "schema"
    formats: bool = True
    additional_properties: bool = True
    approximate: Approximate = None
    schemas: Schemas | None = None
    strings: Spelling = "any"
    integers: Integers = "plain"
    digits: int = 64
    boundary: Boundary = "token"
    draft: object = None
    draft_tokens: int = 8
    jump_ahead: JumpAhead = "forced"
    validate: bool = True
    batch_size: int = 32
    steps: int | None = None
    block_length: int | None = None
    block_cache: BlockCache | None = None
    policy: Policy | None = None
    particles: int | None = None
    progress: bool = False
    free: bool = False
    """Masks are not narrowed by the budget, whatever the method: `gcd.sample` refuses texts that are over it."""

    def __post_init__(self) -> None:
        for name, allowed in ALLOWED.items():
            if getattr(self, name) not in allowed:
                raise ValueError(f"{name} must be {' or '.join(map(repr, allowed))}, not {getattr(self, name)!r}")
        for name in ("n", "max_new_tokens", "batch_size", "draft_tokens"):
            value = getattr(self, name)
            if not isinstance(value, int) or value < 1:
                raise ValueError(f"{name} must be an integer >= 1, not {value!r}")
        if self.method != "mask" and self.draft is not None:
            raise ValueError(f"draft= is for method='mask': method={self.method!r} keeps what was read of every text")
        for name in ("steps", "block_length", "particles"):
            value = getattr(self, name)
            if value is not None and (not isinstance(value, int) or value < 1):
                raise ValueError(f"{name} must be an integer >= 1 or None, not {value!r}")
        if self.method != "mask" and self.jump_ahead == "canonical":
            raise ValueError(f"jump_ahead='canonical' changes the law, which method={self.method!r} is there to keep")
        if self.seed is not None and (not isinstance(self.seed, int) or self.seed < 0):
            raise ValueError(f"seed must be an integer >= 0 or None, not {self.seed!r}")

    @property
    def schema_options(self) -> SchemaOptions:
        """What is asked for of schemas beside the defaults."""
        found = {name: getattr(self, name) for name, default in DEFAULTS.items() if getattr(self, name) != default}
        return cast(SchemaOptions, found)


ALLOWED: dict[str, tuple[str, ...]] = {
    "method": get_args(Method),
    "errors": ("raise", "return"),
    "boundary": ("token", "heal"),
    "jump_ahead": ("forced", "off", "canonical"),
}
"""Argument -> the words that it may be."""


@overload
def generate(  # type: ignore[overload-overlap]  # 1 is an int as well; it is told apart as a literal
    model: object, prompt: OnePrompt = ..., *, n: Literal[1] = ..., **options: Unpack[Options]
) -> Generation: ...
@overload
def generate(model: object, prompt: Prompts, *, n: int = ..., **options: Unpack[Options]) -> list[Generation]: ...
@overload
def generate(model: object, prompt: OnePrompt = ..., *, n: int, **options: Unpack[Options]) -> list[Generation]: ...
def generate(
    model: object,
    prompt: object = "",
    *,
    schema: object = None,
    regex: object = None,
    grammar: object = None,
    choices: object = None,
    constraint: Constraint | Sequence[Constraint] | None = None,
    tokenizer: object = None,
    n: int = 1,
    method: Method = "mask",
    max_new_tokens: int = 512,
    temperature: float = 1.0,
    top_k: int | None = None,
    top_p: float | None = None,
    min_p: float | None = None,
    seed: int | None = None,
    errors: Literal["raise", "return"] = "raise",
    whitespace: Whitespace = "bounded",
    key_order: KeyOrder = "schema",
    formats: bool = True,
    additional_properties: bool = True,
    approximate: Approximate = None,
    schemas: Schemas | None = None,
    strings: Spelling = "any",
    integers: Integers = "plain",
    digits: int = 64,
    boundary: Boundary = "token",
    draft: object = None,
    draft_tokens: int = 8,
    jump_ahead: JumpAhead = "forced",
    validate: bool = True,
    batch_size: int = 32,
    steps: int | None = None,
    block_length: int | None = None,
    block_cache: BlockCache | None = None,
    policy: Policy | None = None,
    particles: int | None = None,
    progress: bool = False,
) -> Generation | list[Generation]:
    """Let a model continue `prompt` inside a grammar; every result is complete, in the language and within the budget.

    >>> gcd.generate("smollm2", "Ada Lovelace, 36, London ->", schema=Person).value
    Person(name='Ada Lovelace', age=36, city='London')

    `model`: a transformers model (with `tokenizer=`), a name or Path for `gcd.load`, or any `LanguageModel`.
    `prompt`: a str is encoded as it stands; a list of chat messages goes through the tokenizer's chat template; a list
    of ints is token ids; a list of those is a batch. "" starts from BOS.

    What is wanted, exactly one of:
    `schema`: JSON Schema as dict, bool or JSON text, or a Python type (pydantic model, dataclass, TypedDict, Enum,
    Literal, function, ...); `regex`: the whole text matches; `grammar`: Lark, GBNF, a `gcd.Language`; `choices`: one of
    some texts; `constraint`: what `gcd.compile` returned. For a batch each may be a list, one a prompt. A str is text;
    a file is a pathlib.Path.

    For schemas: `whitespace` between tokens is "bounded", "compact", "json" or an indent; `key_order="any"` lets keys
    stand in any order; `formats=False` makes `format` an annotation; `additional_properties=False` leaves out keys that
    are not declared where the schema is silent on them; `approximate="over"` leaves out what cannot be enforced (see
    `Generation.widened`) and validates the finished value; `schemas`: URI -> JSON Schema, what `$ref` may lead to
    beside `schema`: nothing is ever fetched; `strings="raw"` escapes characters only where JSON asks for it, "ascii"
    all that are not ASCII; `integers="fraction"` also writes integers as `12.0`; `digits`: the most before and
    behind the point of a number.

    `n`: samples a prompt. `method="mask"` renormalises every step over what the grammar allows. `max_new_tokens` counts
    EOS; tokens after which the text could not end in time are masked out. `temperature` (0 is greedy), `top_k`,
    `top_p`, `min_p` act on the masked distribution in this order; the checkpoint's generation_config is not read for
    them.
    Other methods follow the model's law given the language ("cars" exactly), as `gcd.sample` describes them, which is
    also what the knobs and the budget mean there; samples of one prompt learn from each other, and `jump_ahead` is off.
    `boundary="heal"`: where the prompt ends inside a token, its last tokens are taken back and spelled again with the
    text, which begins behind them; they count in `token_ids`, `logprob` and the budget.
    With a diffusion model (a `DiffusionModel`, or "demo-diffusion") the methods are those of `gcd.diffusion.decode`:
    "exact" (which "mask" means there), "trajectory" (by `particles`), "dingo" and "greedy-mask"; `max_new_tokens` is
    how long the canvas may be, `steps` (32 by default) bounds the calls of the model for each block of `block_length`
    positions, and `policy` says which of them to commit; `block_cache` ("prefix" or "dual") keeps, approximately, what
    the model made of the positions around a block. Its `logprob` is nan, as nobody can sum it.
    `seed`: sample j of prompt i has its own random numbers, whatever the batch around it; None draws a seed.
    `jump_ahead="forced"` reads tokens that are alone in their masks without drawing them, in the same law; "canonical"
    also spells forced text as the tokenizer would, which changes the law. `draft`: up to `draft_tokens` tokens are read
    ahead, and kept where they are what is drawn: the same texts, in fewer passes. "lookup" takes what followed the last
    tokens when they came before; a model (or its name) writes them, and where it has another tokenizer its text is
    spelled anew. A cache that cannot take tokens back (recurrent, sliding windows) leaves them out. `batch_size`: rows
    in one forward pass.

    Returns a Generation; a list with `n > 1` or a batch of prompts (prompt by prompt, n each). Raises GrammarError,
    AlignmentError and GenerationError (`gcd.errors`); with `errors="return"` an error of one row is its `.error`.
    """
    request = Request(**locals())  # the arguments, all of them by their names
    from gcd.run import run

    return run(request)


def stream(model: object, prompt: OnePrompt = "", **options: Unpack[Options]) -> Stream:
    """The pieces of one text as they are decided, then `.result`; the arguments of `generate`, for one prompt and n=1.

    Arguments are checked, and what is wanted is compiled, before this returns; the model runs as the pieces are read.
    `progress` draws nothing here.

    >>> for piece in gcd.stream(model, "Once", regex="[a-z ]{20}"):
    ...     print(piece, end="", flush=True)
    """
    from gcd.run import run_stream

    return run_stream(Request(model=model, prompt=prompt, **options))


async def agenerate(
    model: object, prompt: object = "", *, n: int = 1, **options: Unpack[Options]
) -> Generation | list[Generation]:
    """`generate` in a thread; cancelling the task stops the model after its current forward pass."""
    import asyncio  # a third of what `import gcd` would cost otherwise

    from gcd.run import run

    request, stop = Request(model=model, prompt=prompt, n=n, **options), threading.Event()
    try:
        return await asyncio.to_thread(run, request, stop)
    finally:
        stop.set()


def astream(model: object, prompt: OnePrompt = "", **options: Unpack[Options]) -> AsyncStream:
    """`stream` with the work in a thread: an asynchronous iterator over the pieces, then `.result`.

    >>> async for piece in gcd.astream(model, "Once", regex="[a-z ]{20}"):
    ...     print(piece, end="", flush=True)
    """
    return AsyncStream(lambda: stream(model, prompt, **options))
