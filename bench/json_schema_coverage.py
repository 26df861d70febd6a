"""How much of a folder of MaskBench files the JSON Schema front end reads, what it refuses, and whether it is right.

    python bench/json_schema_coverage.py DIR [--accept N] [--list]

Prints how many schemas become a grammar, and for each keyword or reason the number of schemas that it refuses. With
`--accept N`, N schemas evenly spread over the folder are compiled, and each instance is compared: invalid ones must be
refused; valid ones are, too, when their keys stand in another order than the schema's.
"""

from __future__ import annotations

import argparse
import json
import time
from collections import Counter, defaultdict
from pathlib import Path

from grammars.compile import compile_grammar
from grammars.errors import GrammarError, UnsupportedFeature
from grammars.frontends.json_schema import check_json_schema, parse_json_schema


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("folder", type=Path)
    arguments.add_argument("--accept", type=int, default=0, metavar="N", help="compile N schemas and try instances")
    arguments.add_argument("--list", action="store_true", help="name the files behind every count")
    options = arguments.parse_args()
    files = sorted(options.folder.glob("*.json"))
    print_coverage(files, names=options.list)
    if options.accept:
        print_acceptance(files[:: max(1, len(files) // options.accept)], names=options.list)


def print_coverage(files: list[Path], *, names: bool) -> None:
    reasons: defaultdict[str, list[str]] = defaultdict(list)
    read, nodes, seconds = 0, 0, 0.0
    for file in files:
        schema = json.loads(file.read_text())["schema"]
        begin = time.process_time()
        try:
            parse_json_schema(schema)
        except UnsupportedFeature:
            for keyword in dict.fromkeys(use.keyword for use in check_json_schema(schema).refused):
                reasons[f"refused: {keyword}"].append(file.name)
        except GrammarError as error:
            reasons[f"{type(error).__name__}: {error.message[:90]}"].append(file.name)
        else:
            read += 1
            seconds += time.process_time() - begin
            nodes += count_schemas(schema)
    print(f"{read} of {len(files)} schemas become a grammar ({1e6 * seconds / max(1, nodes):.0f} us a schema object)")
    print_reasons(reasons, names=names)


def print_acceptance(files: list[Path], *, names: bool) -> None:
    counts: Counter[str] = Counter()
    reasons: defaultdict[str, list[str]] = defaultdict(list)
    for file in files:
        case = json.loads(file.read_text())
        try:
            automaton = compile_grammar(parse_json_schema(case["schema"]))
        except GrammarError as error:
            counts[type(error).__name__] += 1
            continue
        counts["compiled"] += 1
        for test in case["tests"]:
            accepted = automaton.accepts(json.dumps(test["data"], ensure_ascii=False).encode())
            counts[f"{'valid' if test['valid'] else 'invalid'} {'accepted' if accepted else 'refused'}"] += 1
            if accepted != test["valid"]:
                reasons["valid, but refused" if test["valid"] else "INVALID, BUT ACCEPTED"].append(file.name)
    print(", ".join(f"{name} {count}" for name, count in counts.most_common()))
    print_reasons(reasons, names=names)


def print_reasons(reasons: dict[str, list[str]], *, names: bool) -> None:
    for reason, where in sorted(reasons.items(), key=lambda item: -len(item[1])):
        print(f"{len(set(where)):6} {reason}" + (f"  {' '.join(sorted(set(where)))}" if names else ""))


def count_schemas(schema: object) -> int:
    """JSON objects in the schema, a measure of its size."""
    if isinstance(schema, dict):
        return 1 + sum(map(count_schemas, schema.values()))
    return sum(map(count_schemas, schema)) if isinstance(schema, list) else 0


if __name__ == "__main__":
    main()
