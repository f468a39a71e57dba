"""The figures of a report, each with the numbers that it draws.

Imports: `comparison`, `statistics`, and how arms and numbers are shown.
"""
