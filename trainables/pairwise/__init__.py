"""Distances between samples, and sorting by distance.

May import PyTorch and NumPy only.
"""
