"""Turns a configuration into runs. The key of a run stands for everything that determines its result."""

from __future__ import annotations

import functools
import hashlib
import itertools
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import NamedTuple

from analysis.parameters import PARAMETERS, Value
from study.config.model import StudyConfig
from study.data.sources import EncodedDataset
from trainables.datasets.registry import dataset_info
from trainables.objectives.objective import objective_version
from trainables.pack import Member, Structure

# How often a run is evaluated does not change its result.
_NOT_IN_KEY = {"evaluate_every"}


class Setting(NamedTuple):
    """What tuning chooses: the hyperparameters of a run, those of `FIELD_OF`."""

    miner: str
    margin: float
    lr: float
    weight_decay: float
    batch_size: int
    embedding_dim: int
    normalize: bool

    @property
    def shared(self) -> tuple[str, int, int, bool]:
        """What all runs of a pack share."""
        return self.miner, self.batch_size, self.embedding_dim, self.normalize


class Round(NamedTuple):
    """The round of a search that a setting is tried in.

    Attributes:
        number: From 0 on.
        settings: How many settings the search has tried once the round is complete, those before it included.
        whole: How many of these are trained to the last epoch.
    """

    number: int
    settings: int
    whole: int


BESIDE = Round(0, 0, 0)  # of what a search trains beside its budget, and of a grid


@dataclass(frozen=True)
class Run:
    """One training: what its pack shares, what is its own, and the key of everything that determines its result.

    Attributes:
        structure: What its pack shares.
        member: What is its own.
        key: The key.
        round: How it was asked for, which changes no result.
    """

    structure: Structure
    member: Member
    key: str
    round: Round = field(default=BESIDE, compare=False)


def expand(config: StudyConfig, datasets: Sequence[EncodedDataset], losses: Iterable[str] = ()) -> list[Run]:
    """All runs of a grid, of some losses or all. The seed changes fastest, then the margin."""
    runs = []
    for encoded, loss in itertools.product(datasets, losses or config.losses):
        make, tried = run_maker(config, encoded, loss), config.tried(loss)
        margins = tried.pop("margin")
        for *others, margin in itertools.product(*tried.values(), margins):
            setting = Setting(margin=margin, **dict(zip(tried, others, strict=True)))
            runs += [make(setting, seed) for seed in config.seeds]
    return runs


def run_maker(config: StudyConfig, encoded: EncodedDataset, loss: str) -> Callable[..., Run]:
    """A function that makes the runs of one loss on one dataset. What they share is written once.

    Returns:
        From a `Setting`, a seed, ``stop_at`` where training stops early (see `Structure`), and a search's `Round`.
    """

    @functools.cache
    def shared(
        miner: str, batch_size: int, embedding_dim: int, normalize: bool, stop_at: int | None
    ) -> tuple[Structure, str]:
        structure = Structure(
            dataset=encoded.dataset,
            encoder=encoded.encoder,
            split=encoded.split,
            loss=loss,
            miner=miner,
            epochs=config.epochs,
            batch_size=batch_size,
            sampler=encoded.sampler,
            samples_per_class=config.samples_per_class,
            embedding_dim=embedding_dim,
            normalize=normalize,
            augment=encoded.augment,
            evaluate_every=config.evaluate_every,
            stop_at=stop_at,
        )
        return structure, _shared_text(structure, encoded, config, objective_version(loss, miner))

    @functools.cache  # searches make the same runs again each time that they go on
    def known(setting: Setting, seed: int, stop_at: int | None) -> tuple[Structure, Member, str]:
        structure, text = shared(*setting.shared, stop_at)
        member = Member(margin=setting.margin, lr=setting.lr, seed=seed, weight_decay=setting.weight_decay)
        return structure, member, _key(text, member)

    def make(setting: Setting, seed: int, stop_at: int | None = None, within: Round = BESIDE) -> Run:
        return Run(*known(setting, seed, stop_at), within)

    return make


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
    if structure.stop_at is None:
        del fields["stop_at"]  # keys are older than rungs
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
    fields = asdict(member)
    if not member.weight_decay:
        del fields["weight_decay"]  # keys are older than weight decay
    text = f"{shared}|{json.dumps(fields, sort_keys=True)}"
    return hashlib.sha256(text.encode()).hexdigest()[:16]
