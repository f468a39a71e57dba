"""Datasets as tensors, and their training, validation and test parts.

May import `random_streams`.
"""
