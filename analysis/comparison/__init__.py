"""Two arms compared on one dataset: pairing, tuning, tests, and the verdict that follows.

Imports: `statistics`, `metrics` and `parameters`.
"""
