"""Where a study's results are kept: record files and MLflow.

Imports: `parameters`.
"""
