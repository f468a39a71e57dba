"""Groups the runs to train into packs that fit into memory and keep all workers busy to the end."""

from __future__ import annotations

import hashlib
import heapq
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from study.config.model import StudyConfig
from study.data.sources import EncodedDataset
from study.planning.grid import Run
from trainables.datasets.registry import dataset_info
from trainables.networks.encoders import make_encoder
from trainables.pack import DatasetKey, Pack, Structure

LARGEST_PACK = 32
PACKS_PER_GPU = 4  # each within the memory below and what CUDA itself takes, on GPUs of at least 20 GiB
_STEP_BYTES = 1 << 30  # for the activations of all members that a step keeps
_STEP_COPIES = 4  # of the largest activation, roughly, that a step keeps
_EVALUATION_BYTES = 2 << 30  # for the embeddings of all members that an evaluation keeps
_EVALUATION_COPIES = 6  # of the embeddings, roughly: raw, centred, standardised, and in double precision for the probe
_DRAW_BYTES = 1 << 30  # for the samples that the seeds of a pack draw; what all seeds share is in memory once
_PACK_OVERHEAD = 1.0  # in runs: starting a pack, and steps too small to be fast
_IDLE_FRACTION = 0.08  # of the time: a pack is split if the workers would wait longer for the last one


@dataclass(frozen=True)
class PlannedPack:
    """A pack to train, with its runs in the order of its members."""

    pack: Pack
    runs: tuple[Run, ...]

    @property
    def keys(self) -> list[str]:
        """The keys of its runs."""
        return [run.key for run in self.runs]

    @property
    def name(self) -> str:
        """Its id: a hash of the keys."""
        return hashlib.sha256("".join(self.keys).encode()).hexdigest()[:12]


def make_packs(
    runs: Iterable[Run],
    pack_size: int | None,
    workers: int,
    limits: Mapping[DatasetKey, int],
    seconds: Callable[[Structure], float] = lambda structure: float(structure.last_epoch),
    interrupted: Iterable[Sequence[str]] = (),
) -> list[PlannedPack]:
    """Packs runs.

    Interrupted packs come first, with the same runs as before. The others follow, longest first, so that short ones
    fill the end. If the last packs would still leave workers idle, they are split.

    Args:
        runs: To be trained.
        pack_size: The most members of a pack. None chooses it: runs train faster in large packs, but every worker
            should have a pack.
        workers: How many packs train at once.
        limits: The most members by dataset, as `pack_limits` gives them.
        seconds: Training time of a run; all epochs count the same if not given.
        interrupted: The keys of the runs of each pack that has a snapshot.
    """
    missing = {run.key: run for run in runs}
    first: list[PlannedPack] = []
    for keys in interrupted:
        again = [missing[key] for key in dict.fromkeys(keys) if key in missing]
        if len(again) == len(keys) and len({run.structure for run in again}) == 1:
            first.append(_pack([missing.pop(run.key) for run in again]))
    size = pack_size or _balanced_size(len(missing), workers)
    packs = [pack for group in _by_structure(missing.values()) for pack in _pieces(group, size, limits)]
    return first + _balanced(first, packs, workers, seconds)


def pack_limits(config: StudyConfig, datasets: Iterable[EncodedDataset]) -> dict[DatasetKey, int]:
    """The most members of a pack by dataset, so that its steps and evaluations fit into memory."""
    limits = {}
    for encoded in datasets:
        encoder = make_encoder(encoded.encoder, encoded.input_shape, max(config.embedding_dim.all))
        step = min(max(config.batch_size.all), encoded.samples) * encoder.largest_activation * 4 * _STEP_COPIES
        evaluation = encoded.samples * (max(config.embedding_dim.all) * _EVALUATION_COPIES + encoded.classes * 3) * 4
        limits[encoded.key] = max(
            1, min(_STEP_BYTES // step, _EVALUATION_BYTES // evaluation, _most_draws(config, encoded))
        )
    return limits


def largest_packs(packs: Iterable[PlannedPack]) -> dict[DatasetKey, int]:
    """The members of each dataset's largest pack."""
    sizes: dict[DatasetKey, int] = {}
    for pack in packs:
        key = pack.pack.structure.dataset_key
        sizes[key] = max(sizes.get(key, 0), len(pack.runs))
    return sizes


def _most_draws(config: StudyConfig, encoded: EncodedDataset) -> int:
    """The most members whose seeds' draws fit into memory, though each member may have a seed of its own."""
    draw = encoded.samples * math.prod(encoded.input_shape) * 4
    if not dataset_info(encoded.dataset).drawn or len(config.seeds) * draw <= _DRAW_BYTES:
        return LARGEST_PACK
    return _DRAW_BYTES // draw


def _pack(runs: Sequence[Run]) -> PlannedPack:
    return PlannedPack(Pack(runs[0].structure, tuple(run.member for run in runs)), tuple(runs))


def _balanced_size(runs: int, workers: int) -> int:
    return max(1, min(LARGEST_PACK, -(-runs // max(workers, 1))))


def _by_structure(runs: Iterable[Run]) -> list[list[Run]]:
    groups: dict[Structure, list[Run]] = {}
    for run in runs:
        groups.setdefault(run.structure, []).append(run)
    return list(groups.values())


def _pieces(runs: Sequence[Run], size: int, limits: Mapping[DatasetKey, int]) -> list[PlannedPack]:
    """Packs of runs of one structure, of nearly equal size, no larger than `size` and its limit."""
    pieces = -(-len(runs) // min(size, limits.get(runs[0].structure.dataset_key, size)))
    bounds = [piece * len(runs) // pieces for piece in range(pieces + 1)]
    return [_pack(runs[start:end]) for start, end in pairwise(bounds)]


def _balanced(
    first: Sequence[PlannedPack],
    packs: Sequence[PlannedPack],
    workers: int,
    seconds: Callable[[Structure], float],
) -> list[PlannedPack]:
    """Sorts packs, longest first, and splits those that would end last, as long as that ends the study earlier.

    Args:
        first: Packs that are trained before these.
        packs: What to sort and split.
        workers: How many packs train at once.
        seconds: Training time of a run.
    """

    def cost(pack: PlannedPack) -> float:
        return (len(pack.runs) + _PACK_OVERHEAD) * seconds(pack.pack.structure)

    def ends(packs: Sequence[PlannedPack]) -> tuple[list[float], int]:
        return _schedule([cost(pack) for pack in (*first, *packs)], workers)

    packs = sorted(packs, key=cost, reverse=True)
    for _ in range(2 * workers):
        times, last = ends(packs)
        position = last - len(first)
        if max(times) <= (1 + _IDLE_FRACTION) * sum(times) / workers or position < 0 or len(packs[position].runs) == 1:
            break
        runs = packs[position].runs
        halves = [_pack(runs[: len(runs) // 2]), _pack(runs[len(runs) // 2 :])]
        split = sorted([*packs[:position], *packs[position + 1 :], *halves], key=cost, reverse=True)
        if max(ends(split)[0]) >= max(times):
            break
        packs = split
    return list(packs)


def _schedule(costs: Sequence[float], workers: int) -> tuple[list[float], int]:
    """When each worker ends if the first free worker always takes the next pack; and which pack ends last."""
    free = [(0.0, worker) for worker in range(workers)]
    ends, last = [0.0] * workers, -1
    for position, cost in enumerate(costs):
        start, worker = heapq.heappop(free)
        ends[worker] = start + cost
        if ends[worker] >= max(ends):
            last = position
        heapq.heappush(free, (ends[worker], worker))
    return ends, last
