"""What makes a study's MLflow answer on opening: aggregates as runs, saved views, and the description of the study.

Imports: `recording.mlflow_sink`, and `analysis`.
"""
