"""Hooks for other engines' own generation loops; logits_processor.py is transformers'."""
