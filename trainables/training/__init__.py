"""Trains a pack, from its first batch to its metrics.

May import `objectives`, `evaluation`, `networks`, `datasets`, `pack` and `random_streams`.
"""
