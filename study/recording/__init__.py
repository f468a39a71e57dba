"""Keeps the results of packs: a record file for each, and MLflow filled from the records.

Imports: `planning`, `storage`, `config`, `analysis.store`, the report's file names, and `trainables`.
"""
