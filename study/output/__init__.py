"""How a session speaks to who started it: the command to its terminal, other callers in ways of their own.

Imports: `progress`.
"""
