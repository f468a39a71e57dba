"""Cuts the evaluation of a pack into chunks with small distance matrices."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor

from trainables.pairwise.distances import CrossDistances

# Size of a chunk's distance matrix: it fits into the cache of a CPU core, or keeps a GPU busy.
_ELEMENTS = {"cpu": 1 << 19, "cuda": 1 << 26}

_FEWEST_QUERIES = 256  # a product with fewer rows spends too much of its time on reading the references


class Chunk(NamedTuple):
    """Distances from some queries to the references.

    Attributes:
        members: Some members.
        queries: Some of their queries.
        distances: Squared, [k, q, N]. That of a query to itself is infinite.
        choices: How many references a query has, itself left out.
    """

    members: slice
    queries: slice
    distances: Tensor
    choices: int


def distance_chunks(queries: Tensor, references: Tensor | None = None) -> Iterator[Chunk]:
    """The squared distances between queries [K, Q, D] and references [K, N, D], in the order of members, then queries.

    Without references the other queries are these; the distance of a query to itself is infinite.
    """
    count, samples, _ = queries.shape
    all_distances = CrossDistances(queries, queries if references is None else references)
    wide = samples if references is None else references.shape[1]
    positions = torch.arange(samples, device=queries.device)
    for members, chunk in member_chunks(count, samples, wide, queries.device):
        distances = all_distances.block(members, chunk)
        if references is None:
            own = positions[chunk]
            distances[:, own - chunk.start, own] = torch.inf
        yield Chunk(members, chunk, distances, wide - (references is None))


def member_chunks(members: int, queries: int, references: int, device: torch.device) -> Iterator[tuple[slice, slice]]:
    """Slices of members and of queries, in the order of members, then of queries.

    A chunk has one or more complete members if they fit. Otherwise it has some of the queries of one member.
    """
    elements = _ELEMENTS.get(device.type, _ELEMENTS["cpu"])
    chunk_members = max(1, elements // (queries * references))
    chunk_queries = queries if chunk_members > 1 else min(queries, max(_FEWEST_QUERIES, elements // references))
    for first in range(0, members, chunk_members):
        for start in range(0, queries, chunk_queries):
            yield slice(first, min(first + chunk_members, members)), slice(start, min(start + chunk_queries, queries))
