"""From a configuration to its runs, each with the key of everything that determines its result."""

from __future__ import annotations

import hashlib
import itertools
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from study.config import StudyConfig
from study.readings import Reading
from trainables.spec import Member, Structure

# Not part of what determines a result: how often one looks.
_NOT_IN_KEY = {"evaluate_every"}


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
