"""Samplers of the model's own law inside a language: what is known (trie.py), one draw (walk.py), METHODS."""
