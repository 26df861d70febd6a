"""States are values: going back, forking, interleaving, threads and pickling change nothing.

The cases are random (`random_grammars.py`). Here the engine is compared with itself; `test_mask_law.py` says that it is
right.
"""

from __future__ import annotations

import copy
import os
import pickle
import random
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from mask_laws import bits, build
from naive import Language
from random_grammars import Case, random_case

from grammars.errors import GrammarError
from tokenizer_align import batch
from tokenizer_align.batch import fill_bitmask
from tokenizer_align.constraint import Constraint, State
from tokenizer_align.errors import AlignmentError

SEEDS = range(60)


def constraints() -> Iterator[tuple[Case, Constraint]]:
    for seed in SEEDS:
        case = random_case(seed)
        try:
            yield case, build(case)
        except (GrammarError, AlignmentError):
            continue


CONSTRAINTS = list(constraints())


@pytest.fixture(params=CONSTRAINTS, ids=lambda pair: f"seed{pair[0].seed}")
def pair(request: pytest.FixtureRequest) -> tuple[Case, Constraint]:
    return request.param  # type: ignore[no-any-return]


def random_path(constraint: Constraint, rng: random.Random, *, steps: int = 10) -> list[int]:
    """Tokens of a random way that ends before EOS."""
    state, path = constraint.start, []
    eos = set(constraint.vocabulary.eos_token_ids)
    while len(path) < steps and (allowed := sorted(bits(constraint.mask(state)) - eos)):
        path.append(rng.choice(allowed))
        state = constraint.advance(state, path[-1])
    return path


def walk(constraint: Constraint, path: list[int]) -> list[tuple[bytes, bool, int]]:
    """What the states along a path answer."""
    state, answers = constraint.start, []
    for token in [*path, None]:
        row = constraint.mask(state).tobytes()
        answers.append((row, constraint.is_accepting(state), constraint.min_tokens_to_end(state)))
        if token is not None:
            state = constraint.advance(state, token)
    return answers


def test_rollback_undoes_accept(pair: tuple[Case, Constraint]) -> None:
    case, constraint = pair
    rng = random.Random(case.seed)
    matcher = constraint.matcher()
    states = [matcher.state]
    for token in random_path(constraint, rng):
        assert matcher.accept_token(token)
        states.append(matcher.state)
    assert matcher.text == b"".join(constraint.vocabulary.tokens[t] for t in matcher.token_ids)
    while len(states) > 1:
        k = rng.randint(1, len(states) - 1)
        matcher.rollback(k)
        del states[-k:]
        assert matcher.state == states[-1]
        assert hash(matcher.state) == hash(states[-1])
        assert len(matcher.token_ids) == len(states) - 1


def test_refused_token_changes_nothing(pair: tuple[Case, Constraint]) -> None:
    case, constraint = pair
    rng = random.Random(case.seed)
    matcher = constraint.matcher()
    for token in random_path(constraint, rng):
        before, allowed = matcher.state, bits(constraint.mask(matcher.state))
        for refused in set(range(-1, constraint.vocabulary.size + 1)) - allowed:
            assert not matcher.accept_token(refused)
        assert matcher.state == before
        assert matcher.accept_token(token)


def test_forks_are_independent(pair: tuple[Case, Constraint]) -> None:
    case, constraint = pair
    rng = random.Random(case.seed)
    path, other = random_path(constraint, rng), random_path(constraint, rng)
    trunk = constraint.matcher()
    forks = [trunk.fork()]
    for token in path:
        assert trunk.accept_token(token)
        forks.append(trunk.fork())
    assert all(forks[0].accept_token(token) for token in other)
    for n, fork in enumerate(forks[1:], 1):
        assert fork.token_ids == path[:n]
        assert all(fork.accept_token(token) for token in path[n:])
        assert fork.state == trunk.state
    trunk.reset()
    assert trunk.state == constraint.start
    assert forks[-1].token_ids == path


def test_masks_are_never_overwritten(pair: tuple[Case, Constraint]) -> None:
    case, constraint = pair
    rng = random.Random(case.seed)
    kept: list[tuple[State, np.ndarray, bytes]] = []
    for _ in range(5):
        state = constraint.start
        for token in random_path(constraint, rng):
            row = constraint.mask(state, budget=rng.choice((None, None, 3)))
            assert not row.flags.writeable
            kept.append((state, row, row.tobytes()))
            state = constraint.advance(state, token)
    assert all(row.tobytes() == content for _, row, content in kept)


def test_equal_states_have_equal_futures(pair: tuple[Case, Constraint]) -> None:
    """Equality is claimed by the engine; that it is right is seen in the naive twin's continuations."""
    case, constraint = pair
    rng = random.Random(case.seed)
    language, met = Language(case.grammar), {}
    for _ in range(6):
        state, text = constraint.start, ()
        for token in [*random_path(constraint, rng, steps=5), None]:
            answers = (language.accepts(text), language.following(text), constraint.mask(state).tobytes())
            assert met.setdefault(state, answers) == answers, (text, f"seed {case.seed}")
            if token is not None:
                state, text = constraint.advance(state, token), text + case.spellings[token]


def test_interleaved_walks_equal_isolated_ones(pair: tuple[Case, Constraint]) -> None:
    case, constraint = pair
    rng = random.Random(case.seed)
    paths = [random_path(constraint, rng) for _ in range(4)]
    isolated = [walk(build(case), path) for path in paths]
    states, places = [constraint.start] * 4, [0] * 4
    met: list[list[tuple[bytes, bool, int]]] = [[] for _ in paths]
    while open_ways := [i for i in range(4) if places[i] <= len(paths[i])]:
        i = rng.choice(open_ways)
        state, row = states[i], constraint.mask(states[i]).tobytes()
        met[i].append((row, constraint.is_accepting(state), constraint.min_tokens_to_end(state)))
        if places[i] < len(paths[i]):
            states[i] = constraint.advance(state, paths[i][places[i]])
        places[i] += 1
    assert met == isolated


def test_batches_equal_single_masks(pair: tuple[Case, Constraint]) -> None:
    case, constraint = pair
    rng = random.Random(case.seed)
    states = [constraint.start]
    for token in random_path(constraint, rng):
        states.append(constraint.advance(states[-1], token))
    budgets = [rng.choice((None, 1, 2, 5)) for _ in states]
    out = np.full((len(states) + 1, len(constraint.mask(states[0])) + 1), -1, np.int32)
    constraint.fill_bitmask(states, out, budgets=budgets)
    for row, state, budget in zip(out, states, budgets, strict=False):
        assert row.tolist() == [*constraint.mask(state, budget=budget).tolist(), 0]
    assert (out[-1] == -1).all()


Request = tuple[State, int | None, list[int]]
"""A state, a budget, and the mask that another constraint of the same grammar says it has."""


def requests(seed: int) -> list[Request]:
    """States of new constraints of all cases in random order, some twice, some behind EOS; no mask is made yet."""
    rng = random.Random(seed)
    found: list[Request] = []
    for case, twin in CONSTRAINTS:
        constraint = build(case)
        states = [(constraint.start, twin.start)]
        for token in random_path(twin, rng):
            states.append((constraint.advance(states[-1][0], token), twin.advance(states[-1][1], token)))
        eos = case.eos_token_ids[0]
        ends = [(constraint.advance(s, eos), twin.advance(t, eos)) for s, t in states if twin.is_accepting(t)]
        for state, known in states + ends:
            budget = rng.choice((None, None, 1, 2, 5))
            found += [(state, budget, twin.mask(known, budget).tolist())] * rng.choice((1, 1, 2))
    rng.shuffle(found)
    return found


def unlike(asked: list[Request], threads: int) -> list[int]:
    """The rows of a batch that are not the masks of its states."""
    width = max(len(mask) for *_, mask in asked) + 1
    out = np.full((len(asked) + 1, width), -1, np.int32)
    fill_bitmask([state for state, *_ in asked], out, budgets=[budget for _, budget, _ in asked], threads=threads)
    wanted = [[*mask, *[0] * (width - len(mask))] for *_, mask in asked] + [[-1] * width]
    return [row for row, words in enumerate(wanted) if out[row].tolist() != words]


@pytest.mark.parametrize("threads", [1, 3])
def test_batches_of_many_constraints_equal_single_masks(threads: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batch, "_ALONE", 0.0)
    mixed = requests(threads)
    assert unlike(mixed, threads) == []
    assert unlike(mixed, threads) == []  # remembered, but for those within a budget


def test_batches_from_four_threads_equal_single_masks(monkeypatch: pytest.MonkeyPatch) -> None:
    """All threads fill the same states at once, each in its own order, with the help of others."""
    monkeypatch.setattr(batch, "_ALONE", 0.0)
    mixed = requests(0)
    with ThreadPoolExecutor(4) as pool:
        orders = [random.Random(seed).sample(mixed, len(mixed)) for seed in range(4)]
        assert list(pool.map(unlike, orders, [3] * 4)) == [[], [], [], []]


def test_pickle_and_copies_answer_the_same(pair: tuple[Case, Constraint]) -> None:
    case, constraint = pair
    path = random_path(constraint, random.Random(case.seed))
    again = pickle.loads(pickle.dumps(constraint))
    # The copy is compiled with the default limits: its counters, and so its costs, may be others.
    assert [answer[:2] for answer in walk(again, path)] == [answer[:2] for answer in walk(constraint, path)]
    assert copy.deepcopy(constraint) is constraint
    assert copy.copy(constraint) is constraint


def test_four_threads_equal_one() -> None:
    """All threads walk all constraints at once, each in its own order; records are made by whoever comes first."""
    work = []
    for case, constraint in CONSTRAINTS:
        rng = random.Random(case.seed)
        work += [
            (constraint, path, walk(constraint, path)) for path in (random_path(constraint, rng) for _ in range(3))
        ]
    fresh = {id(constraint): build(case) for case, constraint in CONSTRAINTS}

    def run(seed: int) -> list[int]:
        order = random.Random(seed).sample(range(len(work)), len(work))
        return [i for i in order if walk(fresh[id(work[i][0])], work[i][1]) != work[i][2]]

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(run, range(4))) == [[], [], [], []]


FORK = """
import os, sys, threading, time
from grammars.compile import compile_grammar
from grammars.ir import ANY_CHAR, Grammar, JsonString, Repeat
from tokenizer_align.constraint import align
from tokenizer_align.leaves import leaves_of
from tokenizer_align.vocabulary import Vocabulary

vocabulary = Vocabulary([*(bytes([byte]) for byte in range(256)), b""], eos_token_ids=[256])
constraint = align(compile_grammar(Grammar({"start": JsonString(Repeat(ANY_CHAR))})), vocabulary)
locks = {"leaves": leaves_of(vocabulary).lock, "rows": constraint._common.rows.lock, "rules": constraint.automaton.lock}
held = threading.Event()

def hold():
    with locks[sys.argv[1]]:
        held.set()
        time.sleep(1)

threading.Thread(target=hold, daemon=True).start()
held.wait()
child = os.fork()
if child == 0:
    constraint.mask(constraint.advance(constraint.start, 34))
    os._exit(7)
until = time.monotonic() + 60
while time.monotonic() < until:
    ended, status = os.waitpid(child, os.WNOHANG)
    if ended:
        sys.exit(os.waitstatus_to_exitcode(status))
    time.sleep(0.05)
os.kill(child, 9)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
@pytest.mark.parametrize("lock", ["leaves", "rows", "rules"])
def test_a_fork_waits_for_threads_that_change_what_is_shared(lock: str) -> None:
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", FORK, lock], capture_output=True, text=True)
    assert done.returncode == 7, done.stderr


FORKS = """
import os, sys, threading
sys.setswitchinterval(1e-5)
from grammars.compile import compile_grammar
from grammars.ir import Bytes, Grammar
from tokenizer_align.constraint import align
from tokenizer_align.vocabulary import Vocabulary

vocabulary = Vocabulary([*(bytes([byte]) for byte in range(256)), b""], eos_token_ids=[256])
kept, wrong = [], []

def fork(thread):
    for number in range(8):
        constraint = align(compile_grammar(Grammar({"start": Bytes(b"%d %d" % (thread, number))})), vocabulary)
        kept.append(constraint)
        child = os.fork()
        if child == 0:
            os._exit(7 if constraint.advance(constraint.start, 48 + thread) is not None else 1)
        if os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) != 7:
            wrong.append(child)

threads = [threading.Thread(target=fork, args=(thread,)) for thread in range(5)]
for thread in threads: thread.start()
for thread in threads: thread.join()
sys.exit(bool(wrong))
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_threads_that_fork_at_once_wait_for_each_other() -> None:
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", FORKS], capture_output=True, text=True, timeout=180)
    assert (done.returncode, done.stderr) == (0, "")
