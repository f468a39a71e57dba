"""The report on a study: its findings, put into one document and written in three forms.

Imports: `conclusions`, `comparison`, `store` and what these may import.
"""
