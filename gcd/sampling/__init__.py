"""Sampling: masks into logits (bitmask.py), logits to tokens (logits.py), rows to their ends (masked.py, jump.py)."""
