"""From the runs that are missing to packs: within the memory, the longest first, every worker busy to the end."""

from __future__ import annotations

import hashlib
import heapq
from collections.abc import Collection, Iterable, Mapping, Sequence

from study.config import StudyConfig
from study.grid import Run
from study.readings import Reading
from trainables.encoders import make_encoder
from trainables.spec import Pack, Structure

LARGEST_PACK = 32
_STEP_BYTES = 1 << 30  # for what a step keeps of the activations of all members
_STEP_COPIES = 4  # of the largest activation, roughly, that a step keeps
_EVALUATION_BYTES = 2 << 30  # for what an evaluation keeps of the embeddings of all members
_EVALUATION_COPIES = 6  # of the embeddings, roughly: as they are, centred, standardised, and the probe's in double
PACKS_PER_GPU = 4  # each within the above and what CUDA itself takes, on GPUs of at least 16 GiB
_ALONE = 1.0  # what a pack costs beside its members, in runs: starting it, and steps that are too small
_IDLE = 0.08  # share of the time that workers may wait for the last one before a pack is split for them

PackRuns = tuple[Pack, list[Run]]


def make_packs(
    runs: Iterable[Run],
    done: Collection[str],
    pack_size: int | None,
    workers: int,
    limits: Mapping[tuple[str, str], int],
    seconds: Mapping[tuple[str, str], float] | None = None,
    begun: Iterable[Sequence[str]] = (),
) -> list[PackRuns]:
    """Packs of the runs that are not done, each with its runs in the order of its members.

    Those that were begun come first, as they were; then the longest, so that short ones fill the end; and where the
    last ones would still leave workers idle, these are split.

    Args:
        runs: The study's runs.
        done: Keys of the runs that need no training.
        pack_size: Most members of a pack; None chooses: large packs train faster a run, but every worker should have
            one.
        workers: How many packs train at once.
        limits: Most members by reading, as `pack_limits` gives them.
        seconds: What a run takes, by reading; all the same if not given.
        begun: Keys of the runs of packs that a snapshot is there of.
    """
    missing = {run.key: run for run in runs if run.key not in done}
    first: list[PackRuns] = []
    for keys in begun:
        again = [missing[key] for key in dict.fromkeys(keys) if key in missing]
        if len(again) == len(keys) and len({run.structure for run in again}) == 1:
            first.append(_pack([missing.pop(run.key) for run in again]))
    groups: dict[Structure, list[Run]] = {}
    for run in missing.values():
        groups.setdefault(run.structure, []).append(run)
    size = pack_size or _balanced_size(len(missing), workers)
    packs = []
    for structure, group in groups.items():
        pieces = -(-len(group) // min(size, limits.get(structure.reading, size)))
        for piece in range(pieces):
            packs.append(_pack(group[piece * len(group) // pieces : (piece + 1) * len(group) // pieces]))

    def cost(pack: PackRuns) -> float:
        return (len(pack[1]) + _ALONE) * (seconds or {}).get(pack[0].structure.reading, 1.0)

    head = [cost(pack) for pack in first]
    packs.sort(key=cost, reverse=True)
    for _ in range(2 * workers):
        ends, last = _schedule([*head, *map(cost, packs)], workers)
        position = last - len(first)
        if max(ends) <= (1 + _IDLE) * sum(ends) / workers or position < 0 or len(packs[position][1]) == 1:
            break
        whole = packs[position][1]
        halves = [_pack(whole[: len(whole) // 2]), _pack(whole[len(whole) // 2 :])]
        split = sorted([*packs[:position], *packs[position + 1 :], *halves], key=cost, reverse=True)
        if max(_schedule([*head, *map(cost, split)], workers)[0]) >= max(ends):
            break
        packs = split
    return first + packs


def pack_limits(config: StudyConfig, readings: Iterable[Reading]) -> dict[tuple[str, str], int]:
    """How many members a pack of each reading may have, for its steps and evaluations to stay within some memory."""
    limits = {}
    for reading in readings:
        encoder = make_encoder(reading.encoder, reading.input_shape, config.embedding_dim)
        step = config.batch_size * encoder.width * 4 * _STEP_COPIES
        evaluation = reading.samples * (config.embedding_dim * _EVALUATION_COPIES + reading.classes * 3) * 4
        limits[reading.dataset, reading.encoder] = max(1, min(_STEP_BYTES // step, _EVALUATION_BYTES // evaluation))
    return limits


def pack_id(runs: Iterable[Run]) -> str:
    """A pack's name: the hash of its runs' keys."""
    return hashlib.sha256("".join(run.key for run in runs).encode()).hexdigest()[:12]


def _pack(runs: list[Run]) -> PackRuns:
    return Pack(runs[0].structure, tuple(run.member for run in runs)), runs


def _balanced_size(runs: int, workers: int) -> int:
    return max(1, min(LARGEST_PACK, -(-runs // max(workers, 1))))


def _schedule(costs: Sequence[float], workers: int) -> tuple[list[float], int]:
    """When each worker ends if every one that is free takes the next pack, and which pack ends last."""
    free = [(0.0, worker) for worker in range(workers)]
    ends, last = [0.0] * workers, -1
    for position, cost in enumerate(costs):
        start, worker = heapq.heappop(free)
        ends[worker] = start + cost
        if ends[worker] >= max(ends):
            last = position
        heapq.heappush(free, (ends[worker], worker))
    return ends, last
