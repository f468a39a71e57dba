"""Studies from Python: planned and run by a call, with a bar in a notebook, and returned as tables.

Imports: the session, and what it may import; `study` gives these calls to users.
"""
