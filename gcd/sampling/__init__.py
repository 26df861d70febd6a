"""Sampling: logits and masks to tokens (logits.py), rows to their ends (masked.py), jumping ahead (jump.py)."""
