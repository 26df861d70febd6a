"""The figures of the JSON Schema front end together: real schemas, the official suite, and what compiling costs.

    python bench/json_schema.py [--maskbench MASKBENCH [--sample N]] [--suite SUITE] [--costs] [--jobs 2] [--timeout 30]

MaskBench, with keys in any order: a schema passes when it becomes a grammar, or has no value, and all of its instances
come out right; "reordered" are valid ones whose keys must stand in another order all the same. Each schema is tried in
a process of its own: "timed out" took more than `--timeout` seconds of CPU, "crashed" ended its process. What is
refused is listed by its reason. `instances.py` does the same token by token, for real tokenizers.

The suite: outcomes by its parts, optional tests and formats by themselves; `json_schema_suite.py` has every file.

Costs: CPU time of parsing and compiling, and then to the first mask over single bytes, best of three, for schemas
that are large, or that a careless compiler multiplies out. Those end in a grammar or in a stated limit.
"""

from __future__ import annotations

import argparse
import json
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from instances import ordered
from json_schema_suite import DRAFTS, OUTCOMES, judged_draft, part_rows

from grammars.compile import compile_grammar
from grammars.errors import EmptyLanguage, GrammarError, UnsupportedFeature
from grammars.frontends.json_schema import check_json_schema, parse_json_schema
from tokenizer_align.constraint import Constraint, align
from tokenizer_align.vocabulary import Vocabulary
from tokenizer_align.warm_up import warm_up

BYTES = Vocabulary([*(bytes([byte]) for byte in range(256)), b""], eos_token_ids=[256])


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--maskbench", type=Path)
    arguments.add_argument("--sample", type=int, default=0, metavar="N", help="N schemas, evenly spread; 0 for all")
    arguments.add_argument("--suite", type=Path)
    arguments.add_argument("--costs", action="store_true")
    arguments.add_argument("--jobs", type=int, default=2)
    arguments.add_argument("--timeout", type=int, default=30, help="seconds of CPU for one schema")
    arguments.add_argument("--list", action="store_true", help="name the schemas that do not pass")
    options = arguments.parse_args()
    warm_up()
    if options.maskbench:
        files = sorted(options.maskbench.glob("*.json"))
        files = files[:: max(1, len(files) // options.sample)] if options.sample else files
        print_maskbench(files, options)
    if options.suite:
        print(f"| suite | tests | {' | '.join(OUTCOMES)} |\n|---|{'---:|' * (len(OUTCOMES) + 1)}")
        for draft in DRAFTS:
            print(
                *(line.replace("| **", f"| {draft} **") for line in part_rows(judged_draft(options.suite, draft))),
                sep="\n",
            )
        print()
    if options.costs:
        print("| schema | KB | ms to compile | and to the first mask | outcome | asked for |")
        print("|---|---:|---:|---:|---|---:|")
        for name, (make, asked) in COSTS.items():
            answer, why = apart(partial(cost, make()), options.timeout)
            print(f"| {name} | {' | '.join(answer) if answer else f' | | | {why}'} | {asked} |")


# --- real schemas -----------------------------------------------------------------------------------------------------


def print_maskbench(files: list[Path], options: argparse.Namespace) -> None:
    schemas: Counter[str] = Counter()
    instances: Counter[str] = Counter()
    reasons: Counter[str] = Counter()
    with ThreadPoolExecutor(options.jobs) as pool:  # of threads that wait for processes
        found = pool.map(lambda file: apart(partial(judged, file), options.timeout), files)
        for done, (file, (answer, why)) in enumerate(zip(files, found, strict=True), start=1):
            outcome, counts, causes = answer or (why, {}, [])
            schemas[outcome] += 1
            instances.update(counts)
            reasons.update(causes)
            if options.list and outcome != "pass":
                print(f"{file.name}: {outcome} {dict(counts)} {causes}")
            if done % 20 == 0:
                print(f"\r{done} of {len(files)} schemas", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    print(f"| {len(files)} schemas | |\n|---|---:|")
    print(*(f"| {name} | {count} |" for name, count in schemas.most_common()), sep="\n")
    print(f"\n| {sum(instances.values()) - instances['reordered']} instances | |\n|---|---:|")
    print(*(f"| {name} | {count} |" for name, count in instances.most_common()), sep="\n")
    print("\n| refused for | schemas |\n|---|---:|")
    print(*(f"| {name} | {count} |" for name, count in reasons.most_common()), sep="\n")
    print()


def judged(file: Path) -> tuple[str, Counter[str], list[str]]:
    """(what became of the schema, counts of its instances, why it is refused)."""
    case = json.loads(file.read_text(encoding="utf-8"))
    counts: Counter[str] = Counter()
    constraint: Constraint | None = None
    try:
        constraint = align(compile_grammar(parse_json_schema(case["schema"], key_order="any")), BYTES)
    except EmptyLanguage:
        pass
    except UnsupportedFeature:
        refused = check_json_schema(case["schema"]).refused
        return "refused", counts, list(dict.fromkeys(f"`{use.keyword}`" for use in refused))
    except GrammarError as error:
        return "refused", counts, [f"{type(error).__name__}: {error.message}"]
    for test in case["tests"]:
        accepted = constraint is not None and is_member(constraint, test["data"])
        if constraint is not None and test["valid"] and not accepted:
            accepted = is_member(constraint, ordered(constraint, test["data"]))
            counts["reordered"] += accepted
        counts[("valid" if test["valid"] else "invalid") + (" accepted" if accepted else " refused")] += 1
    if counts["invalid accepted"]:
        return "an invalid instance is accepted", counts, []
    return "a valid instance is refused" if counts["valid refused"] else "pass", counts, []


def is_member(constraint: Constraint, data: Any) -> bool:
    state = constraint.start
    for byte in json.dumps(data, ensure_ascii=False).encode("utf-8", "surrogatepass"):
        after = constraint.try_advance(state, byte)
        if after is None:
            return False
        state = after
    return constraint.is_accepting(state)


# --- costs ------------------------------------------------------------------------------------------------------------


def branch(number: int) -> dict[str, Any]:
    """One of many like it, told apart by a constant."""
    return {
        "type": "object",
        "properties": {"kind": {"const": f"kind {number}"}, "name": {"type": "string"}, "n": {"type": "integer"}},
        "required": ["kind", "name"],
    }


def overlapping(number: int) -> dict[str, Any]:
    """One of many that hold at once."""
    return {"properties": {f"p{number}": {"type": "string"}}, "required": [f"p{number}"]}


def nested(keyword: str, depth: int) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": "integer"}
    for number in range(depth):
        schema = {keyword: [schema, {"minimum": number}]}
    return schema


def large(size: int) -> dict[str, Any]:
    """An object of objects with many kinds of properties, of at least that many characters."""
    properties: dict[str, Any] = {}
    while len(json.dumps(properties)) < size:
        for number in range(len(properties), len(properties) + 250):
            properties[f"property {number}"] = {
                "type": "object",
                "description": "what it is " * 5,
                "properties": {
                    "id": {"type": "integer", "minimum": 0}, "when": {"type": "string", "format": "date-time"},
                    f"name {number}": {"type": "string", "maxLength": 40}, "kind": {"enum": ["a", "b", number]},
                    "tags": {"type": "array", "items": {"type": "string"}, "maxItems": 10},
                },
                "required": ["id"],
            }  # fmt: skip
    return {"type": "object", "properties": properties}


COSTS: dict[str, tuple[Callable[[], Any], str]] = {
    "oneOf of 50 objects with constants": (lambda: {"oneOf": [branch(n) for n in range(50)]}, "50 ms"),
    "oneOf of 50 closed objects": (
        lambda: {"oneOf": [{**overlapping(n), "type": "object", "additionalProperties": False} for n in range(50)]},
        "50 ms",
    ),
    "oneOf of 50 patterns": (
        lambda: {"oneOf": [{"type": "string", "pattern": f"^x{n}[a-z]+$"} for n in range(50)]}, "50 ms",
    ),
    "oneOf of 50 ranges that overlap": (
        lambda: {"oneOf": [{"type": "integer", "minimum": n, "maximum": n + 10} for n in range(50)]}, "50 ms",
    ),
    "not anyOf of 50 objects": (lambda: {"not": {"anyOf": [branch(n) for n in range(50)]}}, "50 ms"),
    "not anyOf of 50 patterns": (
        lambda: {"type": "string", "not": {"anyOf": [{"pattern": f"^x{n}"} for n in range(50)]}}, "50 ms",
    ),
    "not oneOf of 50 objects": (lambda: {"not": {"oneOf": [branch(n) for n in range(50)]}}, "50 ms"),
    "oneOf of 50 objects that overlap": (lambda: {"oneOf": [overlapping(n) for n in range(50)]}, "50 ms"),
    "1 MB of properties": (lambda: large(1_000_000), "1 s"),
    "allOf, 150 deep": (lambda: nested("allOf", 150), "2 s"),
    "allOf, 20,000 deep": (lambda: nested("allOf", 20_000), "2 s"),
    "oneOf, 12 deep": (lambda: nested("oneOf", 12), "2 s"),
    "oneOf, 100 deep": (lambda: nested("oneOf", 100), "2 s"),
    "allOf of 20 oneOf of 2": (
        lambda: {"allOf": [{"oneOf": [overlapping(2 * n), overlapping(2 * n + 1)]} for n in range(20)]}, "2 s",
    ),
    "allOf of 12 anyOf of 5": (
        lambda: {"allOf": [{"anyOf": [overlapping(5 * n + m) for m in range(5)]} for n in range(12)]}, "2 s",
    ),
    "20 definitions that double": (
        lambda: {
            "$defs": {f"d{n}": {"oneOf": [{"$ref": f"#/$defs/d{n + 1}"}, {"not": {"$ref": f"#/$defs/d{n + 1}"}}]}
                      for n in range(20)} | {"d20": overlapping(0)},
            "$ref": "#/$defs/d0",
        }, "2 s",
    ),
}  # fmt: skip
"""Schemas, and the time that they may take."""


def cost(schema: Any) -> tuple[str, str, str, str]:
    """(KB, ms to compile, ms to the first mask, outcome), the best of three."""
    best, outcome = [float("inf")] * 2, ""
    for _ in range(3):
        begin = time.process_time()
        try:
            constraint = align(compile_grammar(parse_json_schema(schema)), BYTES)
            compiled = time.process_time() - begin
            constraint.mask(constraint.start)
            outcome = "a grammar"
        except GrammarError as error:
            compiled, outcome = time.process_time() - begin, f"{type(error).__name__}: {error.message}"
        best = list(map(min, best, (compiled, time.process_time() - begin)))
    try:
        size = f"{len(json.dumps(schema)) / 1000:.1f}"
    except RecursionError:
        size = ""
    return (size, *(f"{1000 * seconds:.1f}" for seconds in best), outcome)


# --- processes --------------------------------------------------------------------------------------------------------


def apart(work: Callable[[], Any], timeout: int) -> tuple[Any, str]:
    """(what the work returned in a process of its own, ""), or (None, why there is nothing)."""
    context = get_context("fork")  # with the kernels that this process has loaded
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=answer, args=(work, theirs, timeout))
    process.start()
    theirs.close()
    try:
        if not ours.poll(10 * timeout):  # the timer counts what it computes, and one that waits does not
            process.kill()
            return None, "stands still"
        return ours.recv(), ""
    except EOFError:
        process.join()
        return None, "timed out" if process.exitcode == -signal.SIGPROF else f"crashed ({process.exitcode})"
    finally:
        process.join()
        ours.close()


def answer(work: Callable[[], Any], connection: Connection, timeout: int) -> None:
    signal.setitimer(signal.ITIMER_PROF, timeout)  # whose signal ends the process, wherever it is
    connection.send(work())


if __name__ == "__main__":
    main()
