"""Tests, intervals and power for paired samples, whatever is compared.

Imports: nothing of ours; NumPy, SciPy and pandas.
"""
