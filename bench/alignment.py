"""How far are samplers from the model's own law inside a language, and what does each of them cost?

    python bench/alignment.py [--toys] [--model smollm2] [--n 20] [--draws 10000] [--cold 1000] [--case NAME]
                              [--method NAME] [--processes 1] [--device cpu] [--minutes 60] [--json FILE] [--readme]

`--toys`: the toys of `alignment_toys.py`, under models that are written down, so that the truth is known. For each the
KL to it of `--draws` texts (an exact sampler has about (members - 1) / 2n of it: the noise), and for `cars` the tokens
of all attempts over those of the texts: "warm" with one trie for all, "cold" with a new one for each of `--cold` texts;
and for how many prefixes the model was asked.

`--model`: `--n` texts from a real model for each of CASES and each method. A text ends where the model ends it or goes
on to a new line. "tokens" are those that the model read a text, the prompt counted once; "saved" is what it would have
read more if each attempt had been read by itself, after a prompt that is kept. "KL" is `kl_estimate`; that of
populations, which one of them tells little of, is from ANEW of them and of what `cars` proves beside them. All texts
are judged by `json.loads` and `jsonschema`, or by lark's Earley parser.

A run can be stopped and called again: what FILE has is not measured anew, and after `--minutes` nothing new is begun.
`--model` works in so many `--processes`, and times are of one thread of one of them, while the others run.
`--readme` puts the tables into bench/README.md.
"""

from __future__ import annotations

import argparse
import json
import math
import multiprocessing
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from itertools import product
from pathlib import Path
from typing import Any

import jsonschema
import lark
import numpy as np
import torch
from alignment_toys import TOYS, Toy, kl

import gcd
from gcd.errors import GenerationError
from gcd.sampling.aligned.dice import RandomDice
from gcd.sampling.aligned.methods import METHODS, Target
from gcd.sampling.aligned.targets import open_target
from gcd.sampling.logits import Warp
from tokenizer_align.constraint import Constraint
from tokenizer_align.warm_up import warm_up

README = Path(__file__).with_name("README.md")
BUDGET = 48
KINDS = ("mask", "asap", "cars")
LIKELY = 0.3
"""The probability of a language from which on few attempts should do."""
SEARCHES, PREFIXES = ("best_first", "distinct"), 2000
"""Their attempts are prefixes, of which a text has as many as tokens."""
POPULATIONS, ANEW = ("smc", "awrs"), 20
"""Methods whose KL is bounded, from so many populations."""


@dataclass(frozen=True, slots=True)
class Case:
    """A prompt that shows what is wanted, and the language of the answer."""

    name: str
    prompt: str
    schema: Any = None
    grammar: str | None = None

    def constraint(self, model: gcd.TransformersLM) -> Constraint:
        """A text may end where the model goes on to a new line, which it does rather than to end for good."""
        lines = model.tokenizer.encode("\n", add_special_tokens=False)
        if self.grammar is not None:
            return gcd.compile(grammar=self.grammar, tokenizer=model, eos_token_ids=lines)
        return gcd.compile(schema=self.schema, tokenizer=model, eos_token_ids=lines, whitespace="compact")

    def accepts(self, text: str) -> bool:
        """The judgement of others."""
        try:
            if self.grammar is not None:
                lark.Lark(self.grammar).parse(text)
            else:
                jsonschema.validate(json.loads(text), self.schema)
        except (lark.exceptions.LarkError, ValueError, jsonschema.ValidationError):
            return False
        return True


def shape(**properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": list(properties), "additionalProperties": False}


def digits(most: int) -> dict[str, Any]:
    return {"type": "integer", "minimum": 0, "maximum": most}


def shots(*pairs: tuple[str, str]) -> str:
    """Questions and answers on lines of their own; the last answer, left empty, is the model's."""
    return "".join(f"{question}\n{answer}\n" if answer else f"{question}\n" for question, answer in pairs)


WORD = {"type": "string", "pattern": "^[a-z]{1,12}$"}
CASES = [
    Case(
        "person",
        shots(
            ("Grace Hopper, 85, Arlington", '{"name":"Grace Hopper","age":85}'),
            ("Alan Turing, 41, Wilmslow", '{"name":"Alan Turing","age":41}'),
            ("Ada Lovelace, 36, London", ""),
        ),
        shape(name={"type": "string", "maxLength": 30}, age=digits(150)),
    ),
    Case(
        "three words",
        shots(
            ("Three colours:", '["red","green","blue"]'),
            ("Three animals:", '["cat","dog","horse"]'),
            ("Three fruits:", ""),
        ),
        {"type": "array", "items": WORD, "minItems": 3, "maxItems": 3},
    ),
    Case(
        "mood",
        shots(
            ("I love it.", '{"mood":"positive"}'),
            ("It broke.", '{"mood":"negative"}'),
            ("It is a table.", '{"mood":"neutral"}'),
            ("Great value!", ""),
        ),
        shape(mood={"enum": ["positive", "negative", "neutral"]}),
    ),
    Case(
        "point",
        shots(("one, two", '{"x":1,"y":2}'), ("five, nine", '{"x":5,"y":9}'), ("three, six", "")),
        shape(x=digits(9), y=digits(9)),
    ),
    Case(
        "date",
        shots(("The moon landing:", '"1969-07-20"'), ("The Berlin wall falls:", '"1989-11-09"'), ("Pearl Harbor:", "")),
        {"type": "string", "format": "date"},
    ),
    Case(
        "true or false",
        shots(
            ("Ice is cold.", "true"), ("Fire is wet.", "false"), ("Snow is black.", "false"), ("Grass is green.", "")
        ),
        {"type": "boolean"},
    ),
    Case(
        "town",
        shots(
            ("Paris", '{"country":"France","capital":true}'),
            ("Lyon", '{"country":"France","capital":false}'),
            ("Milan", '{"country":"Italy","capital":false}'),
            ("Tokyo", ""),
        ),
        shape(country={"type": "string", "pattern": "^[A-Z][a-z]{2,11}$"}, capital={"type": "boolean"}),
    ),
    Case(
        "dice",
        shots(("Two dice:", "[3,5]"), ("Three dice:", "[1,6,2]"), ("Two dice:", "[4,4]"), ("Three dice:", "")),
        {"type": "array", "items": {"type": "integer", "minimum": 1, "maximum": 6}, "minItems": 1, "maxItems": 4},
    ),
    Case(
        "price",
        shots(("A cup of tea:", '{"euro":2.5}'), ("A book:", '{"euro":14.9}'), ("A bicycle:", "")),
        shape(euro={"type": "number", "minimum": 0, "maximum": 5000}),
    ),
    Case(
        "tags",
        shots(
            ("A dog runs on the beach.", '{"tags":["dog","beach"]}'),
            ("Rain on a window.", '{"tags":["rain","window"]}'),
            ("A cat sleeps in the sun.", ""),
        ),
        shape(tags={"type": "array", "items": WORD, "minItems": 1, "maxItems": 3}),
    ),
    Case(
        "sum (CFG)",
        shots(("two plus three", "(2+3)"), ("one plus two plus four", "((1+2)+4)"), ("five plus one plus one", "")),
        grammar='start: "(" s "+" s ")"\ns: "(" s "+" s ")" | /[0-9]/',
    ),
    Case(
        "brackets (CFG)",
        shots(("balanced:", "(())"), ("balanced:", "()()"), ("balanced:", "((()))"), ("balanced:", "")),
        grammar='start: s\ns: "(" s? ")" s?',
    ),
    Case(
        "palindrome (CFG)",
        shots(("palindrome:", "abba"), ("palindrome:", "aba"), ("palindrome:", "bab"), ("palindrome:", "")),
        grammar='start: s\ns: "a" s? "a" | "b" s? "b" | "a" | "b"',
    ),
]


@dataclass(slots=True)
class ToyRow:
    """One toy: KL of each method, and what `cars` cost."""

    name: str
    texts: int
    noise: float
    kl: dict[str, float] = field(default_factory=dict)
    warm: float = 0.0
    cold: float = 0.0
    asked: int = 0
    bounds: tuple[float, float] = (0.0, 0.0)
    truth: float = 0.0


def measure_toy(toy: Toy, draws: int, cold: int) -> ToyRow:
    """The row of a toy; attempts end at their first wrong letter, and EOS is not counted."""
    row = ToyRow(toy.name, len(toy.texts), (len(toy.texts) - 1) / (2 * draws))
    constraint, model = toy.constraint(), toy.model()

    def target():
        return open_target(model, (), constraint, budget=toy.length + 1, warp=Warp())

    row.truth = math.log(len(toy.texts) / len(toy.letters) ** toy.length)
    for method in KINDS:
        one = target()
        dice = [RandomDice(np.random.default_rng((1, i))) for i in range(draws)]
        drawn = list(METHODS[method].sampler(one, dice))
        row.kl[method] = kl(list(Counter(d.end.token_ids() for d in drawn).values()), len(toy.texts))
        if method == "cars":
            row.warm = sum(d.visited - 1 for d in drawn) / (draws * toy.length)
            row.asked, row.bounds = one.rows.asked, one.trie.log_mass
    visited = [METHODS["cars"].one(target(), RandomDice(np.random.default_rng((2, i)))).visited for i in range(cold)]
    row.cold = sum(v - 1 for v in visited) / (cold * toy.length)
    return row


@dataclass(slots=True)
class ModelRow:
    """One case by one method."""

    case: str
    method: str
    n: int = 0
    valid: int = 0
    distinct: int = 0
    attempts: float = math.nan
    tokens: float = math.nan
    saved: float = math.nan
    seconds: float = math.nan
    ess: float = math.nan
    kl: float | None = None
    log_mass: tuple[float, float] = (-math.inf, 0.0)
    error: str = ""


def measure_case(model: gcd.TransformersLM, case: Case, method: str, n: int) -> ModelRow:
    row = ModelRow(case.name, method)
    begin = time.perf_counter()
    constraint = case.constraint(model)
    try:
        out = gcd.sample(
            model, case.prompt, n, constraint=constraint, method=method, max_new_tokens=BUDGET, seed=1,
            max_attempts=PREFIXES if method in SEARCHES else 20, steps=5,
        )  # fmt: skip
    except GenerationError as error:
        row.error = str(error).partition("\n")[0]
        return row
    row.seconds = (time.perf_counter() - begin) / n
    row.n, row.valid = len(out), sum(case.accepts(one.text) for one in out)
    row.distinct = len({one.text for one in out})
    row.attempts = sum(one.attempts for one in out) / len(out)
    prompt = len(out.prompt_token_ids)
    row.tokens = out.model_tokens / n
    row.saved = 1 - (out.model_tokens - prompt) / (out.all_tokens - prompt)
    row.ess, row.kl, row.log_mass = out.ess, out.kl_estimate, out.log_mass
    if method in POPULATIONS:
        target = open_target(model, out.prompt_token_ids, constraint, budget=BUDGET, warp=Warp())
        row.kl = bound_kl(target, method, n)
    return row


def bound_kl(target: Target, method: str, n: int) -> float | None:
    """KL of a text that is picked from a population of n, from ANEW of them; `cars` proves what the language has."""
    dice = [RandomDice(np.random.default_rng((3, i))) for i in range(n)]
    drawn = [one for _ in range(ANEW) for one in METHODS[method].sampler(target, dice)]
    for _ in METHODS["cars"].sampler(target, dice * ANEW):
        pass
    return METHODS[method].kl(drawn, target, math.nan)


def toys_table(rows: list[ToyRow]) -> str:
    lines = [
        "| language | texts | noise | KL mask | KL asap | KL cars | warm | cold | prefixes asked | "
        "log P: bounds | truth |",
        "|---|---:|---:|---:|---:|---:|---:|---:|---:|---|---:|",
    ]
    for r in rows:
        kls = " | ".join(f"{r.kl[m]:.4f}" for m in KINDS)
        bounds = ", ".join(f"{b:.4f}" for b in r.bounds)
        lines.append(
            f"| {r.name} | {r.texts} | {r.noise:.4f} | {kls} | {r.warm:.4f} | {r.cold:.3f} | {r.asked} | {bounds} | "
            f"{r.truth:.4f} |"
        )
    return "\n".join(lines)


def model_table(rows: list[ModelRow]) -> str:
    lines = [
        "| case | method | valid | distinct | attempts | tokens | saved | s | ESS | KL | log P |",
        "|---|---|---:|---:|---:|---:|---:|---:|---:|---:|---|",
    ]
    for r in rows:
        if r.error:
            lines.append(f"| {r.case} | {r.method} | {r.error} | | | | | | | | |")
            continue
        kl_text = "-" if r.kl is None else "0" if r.method == "cars" else f"{r.kl:.2f}"
        kl_text = f"≤ {kl_text}" if r.method in POPULATIONS else kl_text
        lines.append(
            f"| {r.case} | {r.method} | {r.valid} of {r.n} | {r.distinct} | {r.attempts:.2f} | {r.tokens:.1f} | "
            f"{r.saved:.0%} | {r.seconds:.2f} | {r.ess:.1f} | {kl_text} | {r.log_mass[0]:.2f} to {r.log_mass[1]:.2f} |"
        )
    cars = [r for r in rows if r.method == "cars" and not r.error]
    likely = [r for r in cars if r.log_mass[1] >= math.log(LIKELY)]
    if likely:
        lines += [
            "",
            f"`cars` took {max(r.attempts for r in likely):.2f} attempts a text at most where P(language) may be "
            f"{LIKELY} or more ({len(likely)} of them), and saved {min(r.saved for r in cars):.0%} of tokens at least.",
        ]
    return "\n".join(lines)


def put(text: str, name: str, table: str) -> str:
    """A page with what stands between the marks of that name replaced."""
    begin, end = f"<!-- begin of {name} -->", f"<!-- end of {name} -->"
    head, _, rest = text.partition(begin)
    return f"{head}{begin}\n\n{table}\n\n{end}{rest.partition(end)[2]}"


def measure_cells(options: argparse.Namespace, known: Sequence[ModelRow]) -> Iterator[ModelRow]:
    """The rows that are not known yet, as they are done; searches come last, since nobody knows how long they take."""
    cases = [case.name for case in CASES if not options.case or case.name in options.case]
    methods = sorted(options.method or METHODS, key=SEARCHES.__contains__)
    have = {(row.case, row.method) for row in known}
    cells = [(case, method) for method in methods for case in cases if (case, method) not in have]
    end = time.time() + 60 * options.minutes
    given = (options.model, options.device, options.n, end)
    warm_up()  # or the first row of each process would compile
    with multiprocessing.get_context("spawn").Pool(options.processes, initializer=load, initargs=given) as pool:
        yield from (row for row in pool.imap_unordered(measure_cell, cells) if row is not None)


def load(name: str, device: str | None, n: int, end: float) -> None:
    """What a process keeps: the model, how many texts to draw, and when to begin with no more."""
    global model, texts, deadline
    torch.set_num_threads(1)
    model, texts, deadline = gcd.load(name, device=device), n, end


def measure_cell(cell: tuple[str, str]) -> ModelRow | None:
    name, method = cell
    if time.time() > deadline:
        return None
    return measure_case(model, next(case for case in CASES if case.name == name), method, texts)


def read(path: Path | None) -> tuple[list[ToyRow], list[ModelRow]]:
    if path is None or not path.exists():
        return [], []
    found = json.loads(path.read_text(encoding="utf-8"))
    return [ToyRow(**row) for row in found["toys"]], [ModelRow(**row) for row in found["model"]]


def write(path: Path | None, toys: list[ToyRow], rows: list[ModelRow]) -> None:
    if path is not None:
        found = {"toys": [asdict(r) for r in toys], "model": [asdict(r) for r in rows]}
        path.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--toys", action="store_true")
    parser.add_argument("--model")
    parser.add_argument("--n", type=int, default=20)
    parser.add_argument("--draws", type=int, default=10_000)
    parser.add_argument("--cold", type=int, default=1000)
    parser.add_argument("--method", action="append", choices=list(METHODS))
    parser.add_argument("--case", action="append", choices=[case.name for case in CASES])
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--device", help="of the model, as torch calls it")
    parser.add_argument("--minutes", type=float, default=math.inf)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--readme", action="store_true")
    options = parser.parse_args()
    torch.set_num_threads(1)
    toys, rows = read(options.json)
    if options.toys:
        toys = [measure_toy(toy, options.draws, options.cold) for toy in TOYS.values()]
        write(options.json, toys, rows)
    if options.model:
        for row in measure_cells(options, rows):
            print(row, flush=True)
            rows.append(row)
            write(options.json, toys, rows)
    order = {(case.name, method): i for i, (case, method) in enumerate(product(CASES, METHODS))}
    rows.sort(key=lambda row: order[row.case, row.method])
    page = README.read_text(encoding="utf-8")
    for name, table in (("alignment toys", toys and toys_table(toys)), ("alignment", rows and model_table(rows))):
        if table:
            print(table)
            page = put(page, name, table)
    if options.readme:
        README.write_text(page, encoding="utf-8")


if __name__ == "__main__":
    main()
