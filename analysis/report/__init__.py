"""The report on a study: its findings, put into one document and written in three forms.

Imports: `conclusions`, `searching`, `comparison`, `store` and what these may import.
"""
