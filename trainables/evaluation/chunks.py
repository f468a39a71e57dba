"""Cutting the evaluation of a pack into pieces whose distance matrices fit the memory."""

from __future__ import annotations

from collections.abc import Iterator

import torch

# Of one piece's distance matrix: small enough to stay in a core's cache, large enough to keep a GPU busy.
_ELEMENTS = {"cpu": 1 << 19, "cuda": 1 << 26}

_FEWEST_QUERIES = 64  # a product with fewer rows would read the references more often than it computes


def member_chunks(members: int, queries: int, references: int, device: torch.device) -> Iterator[tuple[slice, slice]]:
    """Slices of members and of queries, members outermost, that cover everything in order.

    Each piece has whole members where several fit, else one member and part of its queries.
    """
    elements = _ELEMENTS.get(device.type, _ELEMENTS["cpu"])
    together = max(1, elements // (queries * references))
    step = queries if together > 1 else min(queries, max(_FEWEST_QUERIES, elements // references))
    for first in range(0, members, together):
        for start in range(0, queries, step):
            yield slice(first, min(first + together, members)), slice(start, min(start + step, queries))
