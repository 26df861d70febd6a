"""What a lattice costs: time and memory of its passes over a large block, and of the token classes of a real schema.

    python bench/lattice.py --draws
    python bench/lattice.py [--device cuda] [--tokenizer tokenizer.json] [--length 128] [--rounds 5]

The block is made up: V tokens in as many atoms as are asked for, Q states with as many ways from each. Each line says
what is measured, its median over the rounds (on a busy machine the CPU's own time says more), and how fast the memory
was read that has to be.
"""

from __future__ import annotations

import argparse
import resource
import statistics
import time
from collections.abc import Callable
from functools import partial
from itertools import pairwise, product
from pathlib import Path

import numpy as np
import torch

import gcd
from gcd.diffusion.blocks import ChainWays
from gcd.diffusion.emissions import Emissions
from gcd.diffusion.token_automaton import BlockLimits, Edges, TokenAutomaton
from gcd.diffusion.token_sets import TokenSets

SCHEMA = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "maxLength": 12},
        "age": {"type": "integer", "minimum": 0, "maximum": 150},
        "day": {"type": "string", "format": "date"},
        "tags": {"type": "array", "items": {"type": "string", "maxLength": 10}, "maxItems": 3},
    },
    "required": ["name", "age", "day", "tags"],
}


def made_up(states: int, edges: int, atoms: int, width: int, seed: int = 0) -> ChainWays:
    """Ways of a random automaton: every state has the same number of sets, of one atom each, to random states."""
    rng = np.random.default_rng(seed)
    atom_of = np.concatenate([np.arange(atoms), rng.integers(0, atoms, width - 1 - atoms)])
    rng.shuffle(atom_of)
    sets = TokenSets(width)
    eos_set = sets.number(np.array([width - 1], np.int32))
    order = np.argsort(atom_of, kind="stable").astype(np.int32)
    starts = np.searchsorted(atom_of[order], np.arange(atoms + 1))
    numbers = np.array([sets.number(order[a:b]) for a, b in pairwise(starts)], np.int32)
    each = edges // states
    start = np.concatenate([[0], 1 + each * np.arange(states)]).astype(np.int32)
    target = np.concatenate([[0], rng.integers(1, states, each * (states - 1))]).astype(np.int32)
    chosen = [rng.choice(numbers, each, replace=False) for _ in range(states - 1)]
    token_set = np.concatenate([[0], *chosen]).astype(np.int32)
    return ChainWays(sets.partition(), eos_set, Edges(start, target, token_set), 1, np.zeros(states))


def median(work: Callable[[], object], rounds: int) -> tuple[float, float]:
    """Seconds on the clock and of this process's threads."""
    clock, own = [], []
    for _ in range(rounds):
        begun, spent = time.perf_counter(), time.process_time()
        work()
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        clock.append(time.perf_counter() - begun)
        own.append(time.process_time() - spent)
    return statistics.median(clock), statistics.median(own)


def passes(ways: ChainWays, logits: torch.Tensor, rounds: int) -> None:
    def emissions() -> Emissions:
        return Emissions(logits, ways.partition, {}, eos_set=ways.eos_set, is_tail_scored=False, is_normalized=True)

    sums = emissions().set_sums
    chain = ways.sums(sums)
    contexts = chain.contexts()
    uniforms = np.random.default_rng(0).random((1, len(logits)))

    def draw() -> None:
        sets = chain.draw(uniforms)
        for i in range(len(logits)):
            made.draw(i, sets[:, i], uniforms[:, i])

    def commit() -> None:
        token = int(ways.partition.members(int(chain.draw(uniforms)[0, len(logits) // 2]))[0])
        ways.sums(made.commit({len(logits) // 2: token}).set_sums, chain)

    def everything() -> None:
        made = emissions()
        whole = ways.sums(made.set_sums)
        made.gradient(whole.contexts(), 1.0)
        sets = whole.draw(uniforms)
        for i in range(len(logits)):
            made.draw(i, sets[:, i], uniforms[:, i])

    tokens, edges = logits.numel() * logits.element_size(), len(ways.edges.target) * len(logits) * 8
    made = emissions()
    for name, work, read in (
        ("logits to sums of sets", lambda: emissions().set_sums, tokens),
        ("sums over all ways", lambda: ways.sums(sums), edges),
        ("contexts of sets", chain.contexts, edges),
        ("gradient by all logits", lambda: made.gradient(contexts, 1.0), 2 * tokens),
        ("one draw", draw, 0),
        ("sums after one commit", commit, 0),
        ("all of it", everything, 3 * tokens + 3 * edges),
    ):
        seconds, own = median(work, rounds)
        rate = f"{read / seconds / 1e9:6.1f} GB/s" if read else ""
        print(f"{name:26} {1e3 * seconds:8.1f} ms {1e3 * own:8.1f} ms of CPU {rate}")


def agreement(ways: ChainWays, logits: torch.Tensor) -> None:
    """How far a device is from the kernels of the CPU, in log Z and in the gradient."""
    found = []
    for device in ("cpu", logits.device):
        made = Emissions(
            logits.to(device).double(),
            ways.partition,
            {},
            eos_set=ways.eos_set,
            is_tail_scored=False,
            is_normalized=True,
        )
        chain = ways.sums(made.set_sums)
        found.append((chain.log_z, made.gradient(chain.contexts(), 1.0).cpu()))
    (log_z, gradient), (other, others) = found
    print(
        f"beside the CPU: log Z {abs(log_z - other):.1e} of {log_z:.1f}, gradient {(gradient - others).abs().max():.1e}"
    )


def copy_rate(device: str) -> float:
    """Bytes read and written a second where a large array is copied."""
    source = torch.empty(1 << 28, device=device)
    target = torch.empty_like(source)
    seconds, _ = median(lambda: target.copy_(source), 10)
    return 8 * len(source) / seconds


def draws(rounds: int) -> None:
    """Draws from left to right beside draws from the middle outwards, where `a` is counted up to a number of states."""
    vocabulary = gcd.Vocabulary([b"a", b"b", b"c", b""], eos_token_ids=[3])
    for length, states, n in product((128, 1024), (4, 16, 64), (1, 100, 1000)):
        constraint = gcd.compile(regex=f"(([bc]*a){{{states}}})*[bc]*", tokenizer=vocabulary)
        logits = torch.randn(length, 4, generator=torch.Generator().manual_seed(0))
        logits[:, 3] = -torch.inf
        lattice = gcd.diffusion.Lattice(constraint, logits)
        chain, tree = (median(partial(lattice.sample, n, method=method), rounds)[1] for method in ("chain", "tree"))
        print(f"L={length:5} S={states:3} n={n:5}  chain {1e3 * chain:8.1f} ms  tree {1e3 * tree:8.1f} ms of CPU")


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--tokenizer", type=Path)
    parser.add_argument("--length", type=int, default=128)
    parser.add_argument("--states", type=int, default=400)
    parser.add_argument("--edges", type=int, default=120_000)
    parser.add_argument("--atoms", type=int, default=5_000)
    parser.add_argument("--vocabulary", type=int, default=150_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--draws", action="store_true", help="time both ways to draw, and nothing else")
    given = parser.parse_args(arguments)
    if given.draws:
        draws(given.rounds)
        return
    ways = made_up(given.states, given.edges, given.atoms, given.vocabulary)
    logits = torch.randn(given.length, given.vocabulary, generator=torch.Generator().manual_seed(0)).to(given.device)
    print(f"L={given.length} V={given.vocabulary:,} Q={given.states} E={len(ways.edges.target):,} on {given.device}")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    passes(ways, logits, given.rounds)
    if given.device != "cpu":
        agreement(ways, logits)
        print(f"{torch.cuda.get_device_name()}: copies at {copy_rate(given.device) / 1e9:.0f} GB/s")
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(f"resident memory: {before >> 10} MiB before, at most {after >> 10} MiB")
    if given.tokenizer is not None:
        constraint = gcd.compile(
            schema=SCHEMA, tokenizer=given.tokenizer, additional_properties=False, whitespace="compact"
        )
        begun = time.perf_counter()
        automaton = TokenAutomaton(constraint, BlockLimits())
        automaton.explore([automaton.number(constraint.start)], given.length, {})
        partition, edges = automaton.partition, automaton.edges
        seconds = time.perf_counter() - begun
        print(
            f"token classes of a schema: {edges.num_states:,} states, {len(edges.target):,} edges, "
            f"{partition.num_sets:,} sets, {partition.num_atoms:,} atoms: {seconds:.2f} s"
        )


if __name__ == "__main__":
    main()
