"""`bench/lattice.py` on a tiny block: every pass has its line, and the made-up block is one; not how fast it is."""

from __future__ import annotations

import numpy as np
import torch
from lattice import made_up, main

from gcd.diffusion.emissions import Emissions


def test_every_pass_has_its_line(capsys):
    main(["--length", "4", "--states", "5", "--edges", "40", "--atoms", "12", "--vocabulary", "60", "--rounds", "1"])
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "L=4 V=60 Q=5 E=33 on cpu"
    assert [line[:26].strip() for line in lines[1:-1]] == [
        "logits to sums of sets",
        "sums over all ways",
        "contexts of sets",
        "gradient by all logits",
        "one draw",
        "sums after one commit",
        "all of it",
    ]
    assert lines[-1].startswith("resident memory: ")


def test_the_block_is_what_it_says():
    ways = made_up(5, 40, 12, 60)
    assert np.diff(ways.edges.start).tolist() == [1, 8, 8, 8, 8]
    assert (ways.partition.num_atoms, ways.partition.num_sets) == (13, 14)  # with EOS, and with what is behind it
    logits = torch.zeros(3, 60)
    sums = Emissions(logits, ways.partition, {}, eos_set=1, is_tail_scored=False, is_normalized=True).set_sums
    assert abs(np.exp(sums[0, 1:]).sum() - 1) < 1e-12
