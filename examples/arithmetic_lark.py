"""Sentences of a Lark grammar: three formulas, drawn with one seed."""

from pathlib import Path

import gcd

GRAMMAR = Path(__file__).with_name("arithmetic.lark").read_text()

for generation in gcd.generate("smollm2", "2 + 2 * 3 = ", grammar=GRAMMAR, n=3, seed=7, max_new_tokens=40):
    print(generation.text, "=", generation.finish_reason)
