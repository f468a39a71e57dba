"""Where a study's results are kept: record files and MLflow.

Imports: `parameters`, `metrics`, and how texts, secrets and limits are treated (`plain_text`, `masking`, `limits`).
"""
