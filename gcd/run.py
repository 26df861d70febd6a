"""A Request -> Generations: constraints, prompts and rows are made ready, sampled in batches, and read.

Place in the walk: it holds `gcd.compile`, `gcd.prompts`, a model's session and `gcd.sampling` together. Everything that
can be wrong with the input is found before the first forward pass.
"""

from __future__ import annotations

import codecs
import secrets
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from gcd.boundary import after, healed
from gcd.calls import are_functions
from gcd.compile import align_wanted, vocabulary_of, wanted_of
from gcd.errors import (
    AlignmentError,
    BudgetTooSmall,
    GenerationError,
    GrammarError,
    PromptError,
    UnsupportedTokenizer,
    ValidationFailed,
    VocabularyMismatch,
)
from gcd.generation import Generation, Stream
from gcd.models.load import as_model
from gcd.models.protocols import is_diffusion, open_session
from gcd.parse import Wanted, check_options, parse_wanted
from gcd.partials import Shape
from gcd.progress import Progress
from gcd.prompts import Prompt, encode_prompt, encode_text, split_prompts
from gcd.run_diffusion import canvas_of, check_kind, fill_jobs
from gcd.run_draft import draft_of
from gcd.sampling.aligned.dice import RandomDice
from gcd.sampling.aligned.methods import METHODS, Target
from gcd.sampling.aligned.targets import open_target
from gcd.sampling.jump import canonical_jump, forced_jump, no_jump
from gcd.sampling.logits import Warp
from gcd.sampling.masked import Jump, Row, sample_masked

if TYPE_CHECKING:
    from gcd.generate import Request
    from gcd.models.protocols import LanguageModel
    from gcd.sampling.draft import Draft
    from tokenizer_align.constraint import Constraint

__all__ = ["Job", "Plan", "make_plan", "read_text", "run", "run_stream"]

OURS = (GrammarError, AlignmentError, GenerationError)
KINDS = ("schema", "regex", "grammar", "choices")


@dataclass(slots=True)
class Job:
    """One text to make, from one prompt; without a constraint, the `error` that stands in its way."""

    prompt_ids: tuple[int, ...] = ()
    wanted: Wanted | None = None
    constraint: Constraint | None = None
    budget: int = 0
    row: Row | None = None
    error: Any = None
    calls: int = 0
    tail: bytes = b""
    """The end of the prompt that is written once more, ahead of the text."""

    def sample(self, rng: np.random.Generator) -> Job:
        """A copy with a row of its own at the start."""
        constraint = self.constraint
        row = None if constraint is None else Row(constraint, self.budget, rng, constraint.start)
        if row is not None:
            row.prompt_ids = self.prompt_ids
        return replace(self, row=row)


@dataclass(slots=True)
class Goal:
    """What is wanted for a prompt, as keywords of `parse_wanted` or as a constraint; aligned once."""

    keywords: dict[str, Any]
    constraint: Constraint | None = None
    wanted: Wanted | None = None

    def align(self, tokenizer: Any, model: LanguageModel, request: Request) -> tuple[Wanted | None, Constraint]:
        if self.constraint is None:
            options = request.schema_options if self.keywords.get("schema") is not None else {}
            wanted = parse_wanted(**self.keywords, **options)
            self.constraint = align_wanted(wanted, vocabulary_of(tokenizer, model=model))
        self.wanted = self.wanted or wanted_of(self.constraint)
        return self.wanted, self.constraint


@dataclass(frozen=True, slots=True)
class Plan:
    """A request with everything made ready: one job a text, prompt by prompt."""

    request: Request
    model: LanguageModel
    seed: int
    jobs: list[Job]
    batched: bool
    warp: Warp
    jump: Jump
    draft: Draft
    targets: dict[tuple[object, ...], Target] = field(default_factory=dict)
    """What other methods than "mask" know of the prompt and constraint that they are at, by these."""


def run(request: Request, stop: threading.Event | None = None) -> Generation | list[Generation]:
    """What `generate` returns. `stop`, once set, ends the work after the current forward pass with RuntimeError."""
    plan = make_plan(request)
    done: list[Generation] = []
    progress = Progress(len(plan.jobs), shown=request.progress)
    for begin in range(0, len(plan.jobs), request.batch_size):
        jobs = plan.jobs[begin : begin + request.batch_size]
        for _ in _sample(plan, jobs):
            if stop is not None and stop.is_set():
                raise RuntimeError("the generation was cancelled")
            progress.update(done=len(done), tokens=_tokens(plan.jobs))
        done += (_finish(plan, job) for job in jobs)
        progress.update(done=len(done), tokens=_tokens(plan.jobs))
        _raise_first(plan, done, begin)
    return done if plan.batched or request.n > 1 else done[0]


def run_stream(request: Request) -> Stream:
    """What `stream` returns."""
    plan = make_plan(request)
    if request.method != "mask":
        raise ValueError(f"a stream shows tokens as they are decided, and method={request.method!r} may take them back")
    if is_diffusion(plan.model):
        raise ValueError(
            "a stream shows tokens as they are decided, and a diffusion model decides on them in any order"
        )
    if len(plan.jobs) != 1 or plan.batched:
        raise ValueError("a stream is one text: one prompt and n=1 (use one stream a prompt, or generate)")
    wanted = plan.jobs[0].wanted
    return Stream(_pieces(plan), Shape if wanted is None else wanted.shape)


def _pieces(plan: Plan) -> Iterator[str | Generation]:
    """Pieces of the text, cut between characters, then the Generation."""
    (job,) = plan.jobs
    decoder = codecs.getincrementaldecoder("utf-8")("surrogateescape")
    seen, hidden = 0, len(job.tail)
    for _ in _sample(plan, [job]):
        assert job.row is not None
        new = job.row.token_ids[seen:]
        seen += len(new)
        data = job.row.constraint.vocabulary.decode(new)
        if piece := decoder.decode(data[hidden:]):
            yield piece
        hidden = max(0, hidden - len(data))
    if piece := decoder.decode(b"", final=True):
        yield piece
    generation = _finish(plan, job)
    _raise_first(plan, [generation], 0)
    yield generation


def make_plan(request: Request) -> Plan:
    """Everything that can be known before the first forward pass; raises whatever is wrong."""
    model = as_model(request.model, request.tokenizer)
    check_kind(request, model)
    tokenizer = request.tokenizer if request.tokenizer is not None else getattr(model, "tokenizer", None)
    prompts, batched = split_prompts(request.prompt)
    seed = secrets.randbits(32) if request.seed is None else request.seed
    warp = Warp(request.temperature, request.top_k, request.top_p, request.min_p)
    jobs: list[Job] = []
    for i, (prompt, goal) in enumerate(zip(prompts, _goals(request, len(prompts), batched), strict=True)):
        ready = Job()
        try:
            _make_ready(ready, request, model, tokenizer, prompt, goal)
        except OURS as error:
            if request.errors == "raise":
                if batched:
                    error.add_note(f"(prompt {i} of the batch)")
                raise
            ready.error = error
        jobs += (ready.sample(np.random.default_rng((seed, i, j))) for j in range(request.n))
    rows = [(job.prompt_ids, job.constraint) for job in jobs if job.constraint is not None]
    draft = draft_of(request, model, tokenizer, rows)
    return Plan(request, model, seed, jobs, batched, warp, _jump(request, tokenizer), draft)


def _make_ready(
    job: Job, request: Request, model: LanguageModel, tokenizer: Any, prompt: Prompt, goal: Goal
) -> None:  # fmt: skip
    """Fill a job: its constraint, its prompt, and a budget that suffices."""
    job.wanted, constraint = goal.align(tokenizer, model, request)
    if constraint.vocabulary.size > model.vocab_size:
        raise VocabularyMismatch(
            f"the constraint's vocabulary has {constraint.vocabulary.size:,} tokens and the model's logits are "
            f"{model.vocab_size:,} wide: they do not belong together, or the model's embeddings were not resized after "
            "tokens were added"
        )
    job.prompt_ids = encode_prompt(prompt, model, tokenizer)
    if request.boundary == "heal":
        job.prompt_ids, job.tail = healed(job.prompt_ids, model, constraint.vocabulary)
        if job.tail and job.wanted is None:
            raise TypeError(
                "boundary='heal' puts the end of the prompt before the language, and of a constraint= that gcd.compile "
                "did not make the language is not known: give schema=, regex=, grammar= or choices="
            )
        if job.tail and job.wanted is not None:
            constraint = align_wanted(after(job.tail, job.wanted), constraint.vocabulary)
    job.budget = _budget(request, job.prompt_ids, model, constraint)
    job.constraint = constraint


def _budget(request: Request, prompt_ids: Sequence[int], model: LanguageModel, constraint: Constraint) -> int:
    """The tokens that a row may have: what was asked for, within what the prompt leaves of the model's context.

    `mask` narrows masks and needs as many as are sure to suffice; methods that refuse texts need what some text takes.
    """
    if is_diffusion(model):
        return canvas_of(request, prompt_ids, model, constraint)
    wanted = request.max_new_tokens
    needed = constraint.min_tokens_to_end(constraint.start) + 1
    if request.method == "mask" and not request.free:
        constraint.check_budget(wanted)
    else:
        fewest = constraint.min_tokens_lower_bound(constraint.start) + 1
        if wanted < fewest:
            raise BudgetTooSmall(wanted, fewest, needed)
        needed = fewest
    context = getattr(model, "context_length", None)
    left = wanted if context is None else context - len(prompt_ids)
    if left < needed:
        raise PromptError(
            f"the prompt has {len(prompt_ids):,} tokens and the model's context {context:,}: the {max(left, 0):,} that "
            f"are left may not suffice to finish inside the grammar; {needed:,} would"
        )
    return min(wanted, left)


def _goals(request: Request, prompts: int, batched: bool) -> list[Goal]:
    """What is wanted for each prompt: one goal for all, or one each where a list is given."""
    if request.constraint is not None:
        if any(getattr(request, kind) is not None for kind in KINDS):
            raise TypeError("constraint= says what is wanted already: leave out schema=, regex=, grammar= and choices=")
        check_options(request.schema_options, "give it to gcd.compile, which made constraint=")
        given: Any = request.constraint
        each = _each("constraint", given, prompts, batched) if isinstance(given, list | tuple) else [given] * prompts
        for constraint in each:
            if not hasattr(constraint, "vocabulary"):
                raise TypeError(
                    f"constraint= takes what gcd.compile(..., tokenizer=...) returned, not {type(constraint).__name__}"
                )
        return [Goal({}, constraint) for constraint in each]
    if request.schema is None:
        check_options(request.schema_options, "it goes with schema=")
    wanted = {kind: getattr(request, kind) for kind in KINDS}
    lists = {
        kind: _each(kind, value, prompts, batched)
        for kind, value in wanted.items()
        if _is_one_each(kind, value, batched)
    }
    if not lists:
        return [Goal(wanted)] * prompts
    return [Goal({**wanted, **{kind: each[i] for kind, each in lists.items()}}) for i in range(prompts)]


def _each(kind: str, values: Sequence[Any], prompts: int, batched: bool) -> Sequence[Any]:
    """The list itself; raises ValueError unless it has one entry for each prompt of a batch."""
    if not batched or len(values) != prompts:
        there = f"there are {prompts} prompts" if prompts != 1 else "there is one prompt"
        raise ValueError(f"{kind}= is a list of {len(values)}, one for each prompt, and {there}")
    return values


def _is_one_each(kind: str, value: object, batched: bool) -> bool:
    """Whether a value is a list with one goal a prompt; choices are lists themselves, and functions for one prompt."""
    if kind == "choices":
        return isinstance(value, list | tuple) and bool(value) and all(isinstance(v, list | tuple) for v in value)
    return isinstance(value, list | tuple) and (batched or not are_functions(value))


def _jump(request: Request, tokenizer: Any) -> Jump:
    if request.jump_ahead == "canonical":
        if not hasattr(tokenizer, "encode"):
            raise UnsupportedTokenizer(
                f"jump_ahead='canonical' needs a tokenizer that encodes text, and a {type(tokenizer).__name__} does not"
            )
        return canonical_jump(lambda text: encode_text(tokenizer, text, special=False))
    return {"forced": forced_jump, "off": no_jump}[request.jump_ahead]


def _sample(plan: Plan, jobs: Sequence[Job]) -> Iterator[None]:
    """Sample the jobs that are ready, in one batch; notes for each after how many forward passes it was complete."""
    ready = [job for job in jobs if job.row is not None]
    if not ready:
        return
    if plan.request.method != "mask" or is_diffusion(plan.model):
        yield from (fill_jobs if is_diffusion(plan.model) else _draw)(plan, ready)
        return
    rows = [cast(Row, job.row) for job in ready]
    session = open_session(plan.model, [job.prompt_ids for job in ready])
    for _ in sample_masked(session, rows, plan.warp, plan.jump, plan.draft):
        for job, row in zip(ready, rows, strict=True):
            job.calls = job.calls or (session.calls if row.done else 0)
        yield


def _draw(plan: Plan, jobs: Sequence[Job]) -> Iterator[None]:
    """Draw the jobs by another method, one after the other; those of one prompt learn from each other."""
    for job in jobs:
        row = cast(Row, job.row)
        key = (job.prompt_ids, row.constraint)
        if key not in plan.targets:
            plan.targets.clear()
            plan.targets[key] = open_target(
                plan.model, job.prompt_ids, row.constraint, budget=job.budget, warp=plan.warp
            )
        target = plan.targets[key]
        try:
            drawn = METHODS[plan.request.method].one(target, RandomDice(row.rng))
        except GenerationError as error:
            job.error = error
        else:
            row.token_ids += drawn.end.token_ids()
            row.logprob, row.masked_logprob = drawn.logprob, drawn.log_drawn
        row.done, job.calls = True, target.rows.asked
        yield


def _finish(plan: Plan, job: Job) -> Generation:
    """The Generation of a job whose row is done, with its value or its error."""
    if job.row is None:
        return Generation(None, "", (), 0.0, 0.0, "error", None, plan.seed, 0, job.prompt_ids, job.error)
    row = job.row
    text = row.data[len(job.tail) :].decode("utf-8", "surrogateescape")
    value, error, named = None, job.error or row.error, dict[str, tuple[str, ...]]()
    reason = "error" if error is not None else "stop" if row.bound_at is None else "length"
    if error is None:
        try:
            value = read_text(text, row.data, row.constraint, job.wanted, validate=plan.request.validate)
            named = read_captures(row.token_ids, row.constraint)
        except OURS as failed:  # ValidationFailed, or LimitExceeded for a value nested too deeply to be checked
            error = failed
    return Generation(
        value, text, tuple(row.token_ids), row.logprob, row.masked_logprob, cast(Any, reason), row.bound_at, plan.seed,
        job.calls, job.prompt_ids, error, tuple([error.headline for error in row.constraint.automaton.widened]),
        named,
    )  # fmt: skip


def read_text(text: str, data: bytes, constraint: Constraint, wanted: Wanted | None, *, validate: bool) -> object:
    """The value of a complete text. JSON has a validator; what has none is put to the grammar's own recogniser.

    The recogniser shares the automaton with the masks and nothing else: neither kernels nor tokens.
    """
    automaton = constraint.automaton
    recognised = validate and (wanted is None or wanted.schema is None) and not automaton.special_tokens
    if recognised and not automaton.accepts(data):
        raise ValidationFailed(text, ["the grammar's own recogniser refuses it: please report this as a bug"])
    return text if wanted is None else wanted.to_value(text, validate=validate)


def read_captures(token_ids: Sequence[int], constraint: Constraint) -> dict[str, tuple[str, ...]]:
    """The captures of a complete text by their names, each from left to right: `{"city": ("Ulm", "Bonn")}`."""
    from grammars.captures import captures, has_captures

    grammar, vocabulary = constraint.automaton.source, constraint.vocabulary
    if not has_captures(grammar):
        return {}
    names = {vocabulary.special_id(name): name for name in constraint.automaton.special_tokens}
    text: list[int | str] = []
    for token in token_ids:
        text += [names[token]] if token in names else vocabulary.tokens[token]
    found: dict[str, tuple[str, ...]] = {}
    for name, begin, end in captures(grammar, text):
        part = bytes(symbol for symbol in text[begin:end] if isinstance(symbol, int))
        found[name] = (*found.get(name, ()), part.decode("utf-8", "surrogateescape"))
    return found


def _raise_first(plan: Plan, done: Sequence[Generation], begin: int) -> None:
    """Raise the first error of the rows from `begin` on, with the rows that did finish, unless errors are returned."""
    if plan.request.errors == "return":
        return
    for i, generation in enumerate(done[begin:], begin):
        if (error := generation.error) is not None:
            if isinstance(error, GenerationError):
                error.generations = tuple(g for g in done if g.error is None)
            if len(plan.jobs) > 1:
                error.add_note(f"(prompt {i // plan.request.n} of the batch, sample {i % plan.request.n})")
            raise error


def _tokens(jobs: Sequence[Job]) -> int:
    return sum(len(job.row.token_ids) for job in jobs if job.row is not None)
