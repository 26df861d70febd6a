"""sample: many texts from the model's own law inside a language, with what is guaranteed and what was found out.

Place in the walk: the top, beside `generate`. The function here names and checks the arguments; `gcd.run_samples` does
the work. Importing this module imports neither torch nor the engine.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, Unpack

from gcd.generate import Boundary, Method, OnePrompt, Request
from grammars.frontends.schema_options import SchemaOptions

if TYPE_CHECKING:
    from gcd.sampling.aligned.trie import SampleTrie
    from tokenizer_align.constraint import Constraint

__all__ = ["Guarantee", "Sample", "SampleOptions", "Samples", "sample"]

Guarantee: TypeAlias = Literal[
    "exact i.i.d.",
    "properly weighted",
    "asymptotic",
    "local",
    "the likeliest",
    "found by a search",
    "without replacement",
]


Positions: TypeAlias = Literal["restart", "uniform", "priority"]
POSITIONS = ("restart", "uniform", "priority")


@dataclass(frozen=True, slots=True)
class Sample:
    """One text.

    | field        | what it is                                                                              |
    |--------------|-----------------------------------------------------------------------------------------|
    | `token_ids`  | the tokens, the EOS that ended them included                                            |
    | `text`       | their bytes as UTF-8                                                                    |
    | `value`      | what was asked for: an instance, a dict, otherwise the text                             |
    | `logprob`    | Σ log p(token | before) under the model alone, neither masked nor bent by the knobs     |
    | `log_weight` | log of the factor by which it counts; 0 where all count alike                           |
    | `attempts`   | how many attempts it took, itself included                                              |
    """

    token_ids: tuple[int, ...]
    text: str
    value: Any
    logprob: float
    log_weight: float
    attempts: int


@dataclass(frozen=True, slots=True)
class Samples(Sequence[Sample]):
    """The texts of one call, in the order in which they were drawn, and what is known of the law they come from.

    | field          | what it is                                                                                    |
    |----------------|-----------------------------------------------------------------------------------------------|
    | `guarantee`    | of the texts taken as they are: "exact i.i.d.", "asymptotic" or "local"; "properly weighted": |
    |                | only together with their weights; "the likeliest": of all, in order; "found by a search":     |
    |                | likely ones; "without replacement": exact draws from what the ones before left               |
    | `log_mass`     | (lower, upper): proved bounds on log P(language | prompt), within the budget, after the knobs |
    | `log_z`        | an estimate of the same, from all attempts; of "cars" and "asap" those count most that began  |
    |                | with the tightest bound                                                                       |
    | `ess`          | how many equally weighted texts they are worth: (Σw)² / Σw²                                   |
    | `acceptance`   | the share of the steps of "mcmc" that moved, None for other methods: near 0, take more steps  |
    | `kl_estimate`  | of KL(law of a text without its weight ‖ p(. | language)), in nats. Of "smc" and "awrs": of   |
    |                | an upper bound on it, for a text that is picked by weight. Of "mcmc" with other `positions`   |
    |                | than "restart": of an upper bound, that of its first text. None of "best_first", "beam" and   |
    |                | "distinct", whose texts are no independent draws                                              |
    | `model_tokens` | the tokens that the model read for it, the prompt included                                    |
    | `all_tokens`   | those of all attempts: what it would have read if each attempt had been a text of its own     |
    | `seed`         | the seed of the call                                                                          |
    | `trie`         | what was learnt, for `sample(trie=)`; `trie.save(path)` keeps it                              |
    """

    samples: tuple[Sample, ...]
    method: Method
    guarantee: Guarantee
    log_mass: tuple[float, float]
    log_z: float
    ess: float
    kl_estimate: float | None
    acceptance: float | None
    model_tokens: int
    all_tokens: int
    seed: int
    trie: SampleTrie = field(repr=False)
    prompt_token_ids: tuple[int, ...] = field(repr=False)

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, index: Any) -> Any:
        return self.samples[index]

    def __iter__(self) -> Iterator[Sample]:
        return iter(self.samples)


@dataclass(frozen=True, slots=True)
class SampleOptions:
    """The arguments of `sample` that `generate` does not have; raises ValueError for what they cannot be."""

    where: Callable[[Any], object] | None = None
    along: Callable[[str], object] | None = None
    trie: SampleTrie | None = None
    max_attempts: int = 1000
    max_checks: int = 64
    steps: int = 10
    positions: Positions = "restart"
    width: int = 8
    patience: float = 1.0
    length_power: float = 0.0
    canonical: bool = False

    def __post_init__(self) -> None:
        for name, least in (("max_attempts", 1), ("max_checks", 1), ("steps", 0), ("width", 1)):
            value = getattr(self, name)
            if not isinstance(value, int) or value < least:
                raise ValueError(f"{name} must be an integer >= {least}, not {value!r}")
        if not isinstance(self.patience, int | float) or not self.patience > 0:
            raise ValueError(f"patience must be a number > 0, not {self.patience!r}")
        if not isinstance(self.length_power, int | float) or not 0 <= self.length_power < math.inf:
            raise ValueError(f"length_power must be a finite number >= 0, not {self.length_power!r}")
        if self.positions not in POSITIONS:
            raise ValueError(f"positions must be {' or '.join(map(repr, POSITIONS))}, not {self.positions!r}")
        if self.where is not None and not callable(self.where):
            raise ValueError(f"where must be a function of a value, not {self.where!r}")
        if self.along is not None and not callable(self.along):
            raise ValueError(f"along must be a function of a text, not {self.along!r}")


def sample(
    model: object,
    prompt: OnePrompt = "",
    n: int = 100,
    *,
    schema: object = None,
    regex: str | Path | None = None,
    grammar: str | Path | None = None,
    choices: Path | Sequence[str] | None = None,
    constraint: Constraint | None = None,
    tokenizer: object = None,
    method: Method = "cars",
    max_new_tokens: int = 512,
    temperature: float = 1.0,
    top_k: int | None = None,
    top_p: float | None = None,
    min_p: float | None = None,
    seed: int | None = None,
    validate: bool = True,
    boundary: Boundary = "token",
    canonical: bool = False,
    where: Callable[[Any], object] | None = None,
    along: Callable[[str], object] | None = None,
    trie: SampleTrie | None = None,
    max_attempts: int = 1000,
    max_checks: int = 64,
    steps: int = 10,
    positions: Positions = "restart",
    width: int = 8,
    patience: float = 1.0,
    length_power: float = 0.0,
    **options: Unpack[SchemaOptions],
) -> Samples:
    """Draw `n` texts that follow p(. | the text is in the language and takes at most `max_new_tokens`, EOS included).

    >>> out = gcd.sample("smollm2", "Is the sky blue? Answer:", n=50, choices=[" yes", " no"], seed=1)
    >>> out.guarantee, out.log_mass
    ('exact i.i.d.', (-3.5, -3.5))

    `model`, `prompt` (one), `schema`, `regex`, `grammar`, `choices`, `constraint`, `tokenizer`, `validate`, `boundary`
    and the options of schemas are those of `gcd.generate`.

    `method`: "cars" draws exactly, by rejection that learns; "asap" never refuses, and is exact in the limit; "mask" is
    the law of `gcd.generate`. The last two give each text the weight that makes up for it. "mcmc" draws the end of a
    chain of `steps`, each of which completes the text anew from one of its `positions`: its beginning ("restart"), any
    ("uniform"), or where the model is in doubt ("priority"). "smc" draws all n as one population, with weights, and
    what died is made up for by another one; "awrs" does so too, and where a token fails a test (`along`, `where`) it
    tries others, up to `max_checks`. "best_first" draws nothing: it searches the n likeliest texts, which weigh what
    they are likely; `max_attempts` bounds the prefixes that one may take. "beam" finds likely ones: it keeps `width`
    prefixes (n where that is more) until `patience` times as many texts are finished, and orders these by
    log P / tokens ** `length_power`. "distinct" draws n different texts, each from those that are left; its weights
    make up for that there is none twice. `docs/alignment.md` says which to choose.

    `temperature`, `top_k`, `top_p` and `min_p` change the model *before* the language is looked at, unlike those of
    `gcd.generate(method="mask")`: the law that is drawn from is that of the changed model, given the language.
    `max_new_tokens` is part of the language: a text that would take more is refused, no mask is narrowed.

    `where`: a test of the value (of the text, where there is no schema) that is part of the language too; a text whose
    value cannot be made fails it. `along`: a test of the text so far, its complete characters, asked after each token;
    nothing may begin with what fails it. `canonical`: only texts in the spelling that the tokenizer gives them.
    `trie`: the `.trie` of an earlier call with the same arguments, to go on from.
    `max_attempts`: for one text, or that many populations of "smc" and "awrs", which then give fewer texts.

    Raises what `gcd.generate` raises, and ZeroProbability or AttemptsExhausted where no text is to be had.
    """
    request = Request(
        model=model, prompt=prompt, n=n, schema=schema, regex=regex, grammar=grammar, choices=choices,
        constraint=constraint, tokenizer=tokenizer, method=method, max_new_tokens=max_new_tokens,
        temperature=temperature, top_k=top_k, top_p=top_p, min_p=min_p, seed=seed, validate=validate, boundary=boundary,
        free=True, **options,
    )  # fmt: skip
    extra = SampleOptions(
        where, along, trie, max_attempts, max_checks, steps, positions, width, patience, length_power, canonical
    )
    from gcd.run_samples import run_samples

    return run_samples(request, extra)
