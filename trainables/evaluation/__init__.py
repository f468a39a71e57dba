"""Metrics of embeddings, for all members of a pack at once.

May import `pairwise`.
"""
