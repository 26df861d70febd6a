"""Models: what one is (protocols.py), and those by name, of transformers, and written down by hand."""
