"""Cutting the evaluation of a pack into pieces whose distance matrices fit the memory."""

from __future__ import annotations

from collections.abc import Iterator

_ELEMENTS = 1 << 19  # of one piece's distance matrix: small enough to stay in a core's cache


def member_chunks(members: int, queries: int, references: int) -> Iterator[tuple[slice, slice]]:
    """Slices of members and of queries, members outermost, that cover everything in order.

    Each piece has whole members where several fit, else one member and part of its queries.
    """
    together = max(1, _ELEMENTS // (queries * references))
    step = queries if together > 1 else max(1, min(queries, _ELEMENTS // references))
    for first in range(0, members, together):
        for start in range(0, queries, step):
            yield slice(first, min(first + together, members)), slice(start, min(start + step, queries))
