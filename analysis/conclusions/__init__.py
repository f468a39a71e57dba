"""What follows for a study: verdicts on every dataset, over all of them, on parts of the grid, and on claims.

Imports: `comparison`, `statistics`, `metrics` and `parameters`.
"""
