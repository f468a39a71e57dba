"""From a configuration to runs, and from the runs that are missing to packs."""

from __future__ import annotations

import hashlib
import itertools
import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass

from study.config import StudyConfig
from study.readings import Reading
from trainables.encoders import make_encoder
from trainables.spec import Member, Pack, Structure

# Not part of what determines a result: how often one looks.
_NOT_IN_KEY = {"evaluate_every"}
LARGEST_PACK = 32
_STEP_BYTES = 1 << 30  # for what a step keeps of the activations of all members
_STEP_COPIES = 4  # of the largest activation, roughly, that a step keeps
_EVALUATION_BYTES = 2 << 30  # for what an evaluation keeps of the embeddings of all members
_EVALUATION_COPIES = 6  # of the embeddings, roughly: as they are, centred, standardised, and the probe's in double


@dataclass(frozen=True)
class Run:
    """One training: a structure, its own part, and the key of everything that determines its result."""

    structure: Structure
    member: Member
    key: str


def expand(config: StudyConfig, readings: Sequence[Reading]) -> list[Run]:
    """All runs of a study, seeds innermost."""
    runs = []
    for reading, loss, miner in itertools.product(readings, config.losses, config.miners):
        structure = Structure(
            dataset=reading.dataset,
            encoder=reading.encoder,
            split=reading.split,
            loss=loss,
            miner=miner,
            epochs=config.epochs,
            batch_size=config.batch_size,
            sampler=reading.sampler,
            samples_per_class=config.samples_per_class,
            embedding_dim=config.embedding_dim,
            normalize=config.normalize,
            augment=reading.augment,
            evaluate_every=config.evaluate_every,
        )
        shared = _digest_of_shared(structure, reading, config)
        for lr, margin, seed in itertools.product(config.lrs, config.margins, config.seeds):
            member = Member(margin=margin, lr=lr, seed=seed)
            runs.append(Run(structure, member, _key(shared, member)))
    return runs


def make_packs(
    runs: Iterable[Run],
    done: Collection[str],
    pack_size: int | None,
    workers: int,
    limits: Mapping[tuple[str, str], int],
) -> list[tuple[Pack, list[Run]]]:
    """Packs of the runs that are not done, each with its runs in the order of its members.

    Args:
        runs: The study's runs.
        done: Keys of the runs that need no training.
        pack_size: Most members of a pack; None chooses: large packs train faster a run, but every worker should have
            one.
        workers: How many packs train at once.
        limits: Most members by reading, as `pack_limits` gives them.
    """
    missing: dict[Structure, list[Run]] = {}
    for run in runs:
        if run.key not in done:
            missing.setdefault(run.structure, []).append(run)
    size = pack_size or _balanced_size(missing, workers)
    packs = []
    for structure, group in missing.items():
        pieces = -(-len(group) // min(size, limits.get(structure.reading, size)))
        for piece in range(pieces):
            part = group[piece * len(group) // pieces : (piece + 1) * len(group) // pieces]
            packs.append((Pack(structure, tuple(run.member for run in part)), part))
    return packs


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


def _balanced_size(missing: dict[Structure, list[Run]], workers: int) -> int:
    total = sum(len(group) for group in missing.values())
    return max(1, min(LARGEST_PACK, -(-total // max(workers, 1))))


def _digest_of_shared(structure: Structure, reading: Reading, config: StudyConfig) -> str:
    fields = {name: value for name, value in asdict(structure).items() if name not in _NOT_IN_KEY}
    if structure.sampler == "shuffle":
        del fields["samples_per_class"]
    if structure.dataset == "synthetic":
        fields["synthetic"] = asdict(config.synthetic)
    if reading.weights is not None:
        fields["weights"] = reading.treatment["weights"]
    elif reading.listing is not None:
        fields["image_size"] = reading.input_shape[1]
    return json.dumps(fields, sort_keys=True)


def _key(shared: str, member: Member) -> str:
    text = f"{shared}|{json.dumps(asdict(member), sort_keys=True)}"
    return hashlib.sha256(text.encode()).hexdigest()[:16]
