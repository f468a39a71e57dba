"""Where a study is stored: its folder, the errors of storage, the lock, and snapshots.

Imports: `errors`, and `analysis.store`.
"""
