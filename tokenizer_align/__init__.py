"""Tokenizer alignment: ByteAutomaton × Vocabulary -> Constraint, with its states, masks and matcher.

Knows no model and no torch. `tokenizer_align.constraint.align` is the way in.
"""
