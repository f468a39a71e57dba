"""Turns a configuration into runs. The key of a run stands for everything that determines its result."""

from __future__ import annotations

import hashlib
import itertools
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

from analysis.parameters import PARAMETERS, Value
from study.config.model import StudyConfig
from study.data.sources import EncodedDataset
from trainables.datasets.registry import dataset_info
from trainables.objectives.objective import objective_version
from trainables.pack import Member, Structure

# How often a run is evaluated does not change its result.
_NOT_IN_KEY = {"evaluate_every"}


@dataclass(frozen=True)
class Run:
    """One training: what its pack shares, what is its own, and the key of everything that determines its result."""

    structure: Structure
    member: Member
    key: str


def expand(config: StudyConfig, datasets: Sequence[EncodedDataset]) -> list[Run]:
    """All runs of a study. The seed changes fastest."""
    runs = []
    objectives = [(loss, miner) for loss in config.losses for miner in config.miners.of(loss)]
    for encoded, (loss, miner) in itertools.product(datasets, objectives):
        structure = Structure(
            dataset=encoded.dataset,
            encoder=encoded.encoder,
            split=encoded.split,
            loss=loss,
            miner=miner,
            epochs=config.epochs,
            batch_size=config.batch_size,
            sampler=encoded.sampler,
            samples_per_class=config.samples_per_class,
            embedding_dim=config.embedding_dim,
            normalize=config.normalize,
            augment=encoded.augment,
            evaluate_every=config.evaluate_every,
        )
        shared = _shared_text(structure, encoded, config, objective_version(loss, miner))
        for lr, margin, seed in itertools.product(config.lrs.of(loss), config.margins.of(loss), config.seeds):
            member = Member(margin=margin, lr=lr, seed=seed)
            runs.append(Run(structure, member, _key(shared, member)))
    return runs


def run_params(run: Run) -> dict[str, Value]:
    """The parameters of a run under their names in `PARAMETERS`."""
    values: Mapping[str, Value] = {**asdict(run.structure), **asdict(run.member)}
    params = {parameter.name: values[parameter.name] for parameter in PARAMETERS}
    if run.structure.sampler != "pk":
        params["samples_per_class"] = 0  # no other sampler uses it
    return params


def older_keys(config: StudyConfig, datasets: Sequence[EncodedDataset], runs: Sequence[Run]) -> set[str]:
    """The keys that the runs had whose objective has changed since: other results under the same parameters."""
    encoded = {dataset.key: dataset for dataset in datasets}
    changed = [run for run in runs if objective_version(run.structure.loss, run.structure.miner) > 1]
    shared = {
        structure: _shared_text(structure, encoded[structure.dataset_key], config, version=1)
        for structure in {run.structure for run in changed}
    }
    return {_key(shared[run.structure], run.member) for run in changed}


def _shared_text(structure: Structure, encoded: EncodedDataset, config: StudyConfig, version: int) -> str:
    fields = {name: value for name, value in asdict(structure).items() if name not in _NOT_IN_KEY}
    if structure.sampler == "shuffle":
        del fields["samples_per_class"]
    if version > 1:  # keys are older than versions
        fields["objective_version"] = version
    if dataset_info(structure.dataset).drawn:
        fields["synthetic"] = asdict(config.synthetic)
    if encoded.weights is not None:
        fields["weights"] = encoded.preprocessing["weights"]
    elif encoded.listing is not None:
        fields["image_size"] = encoded.input_shape[1]
    return json.dumps(fields, sort_keys=True)


def _key(shared: str, member: Member) -> str:
    text = f"{shared}|{json.dumps(asdict(member), sort_keys=True)}"
    return hashlib.sha256(text.encode()).hexdigest()[:16]
