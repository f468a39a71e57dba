"""Shows runs in MLflow while they train: what was told of them, their rows, and which of them MLflow shows.

Imports: `recording.database`, `recording.side_by_side`, `analysis.store`, and `trainables`.
"""
