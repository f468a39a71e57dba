"""The configuration of a study: one model for presets, YAML files and the command line."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sized
from pathlib import Path
from typing import Annotated

from pydantic import Field, field_validator, model_validator

from analysis.comparison.levels import NUMERIC
from analysis.metrics import metrics_with
from analysis.store.loading import is_study_name
from study.config import fields as f
from study.config.hyperparameters import FIELD_OF, PER_LOSS, Hyperparameters
from study.config.levels import Range
from study.config.searches import (
    DEFAULT_SETTINGS,
    FACTOR,
    check_budget,
    check_levels,
    check_rungs,
    default_rungs,
    default_settings,
)
from study.config.sizes import check_clusters, check_runs
from trainables.datasets.registry import DATASETS, dataset_info, study_name
from trainables.datasets.synthetic import SyntheticOptions
from trainables.networks.encoders import backbone_of

HOME = Path("~/.cache/contrastive-or-triplet")

# Every field is an option of the command; these take several values.
LIST_OPTIONS = (*("datasets", "encoder", "weights", "losses", *PER_LOSS, "rungs", "seeds", "synthetic", "rope"),)
# Of these, the option alone is a yes.
ANSWERS = ("normalize",)


class StudyConfig(Hyperparameters):
    """A study: what each loss may take, how runs are trained, and where results are stored."""

    name: str = Field(description="name of the study: its folder and its MLflow experiment")
    extend: bool = Field(default=False, description="add these runs to a study of this name that has other ones")
    datasets: f.Datasets = Field(description=f"'all', or any of {', '.join(DATASETS)}, folder:PATH")
    encoder: f.Encoders = Field(
        default={}, description="DATASET=NAME: linear, mlp, cnn, or a frozen backbone such as vit_b_32"
    )
    weights: f.Files = Field(default={}, description="BACKBONE=FILE: weights of your own")
    split: f.Split | None = Field(
        default=None, description="closed or disjoint (classes), for cub200, cars196 and folders"
    )
    image_size: Annotated[int, Field(ge=8, le=512)] = Field(
        default=64, description="side in pixels at which cnn, mlp and linear read cub200, cars196 and folders"
    )
    augment: bool = Field(default=False, description="crop and flip training images at random (cnn; never mnist)")
    search: f.Sampling = Field(
        default="grid",
        description="grid tries all combinations; with random, sobol or tpe each seed and loss searches on its own",
    )
    settings: f.Count | None = Field(
        default=None, description=f"settings that a search tries for each seed and loss (default: {DEFAULT_SETTINGS})"
    )
    hours: f.Hours | None = Field(
        default=None,
        description="time for a search, from the start of the command; then it reports what is done. The same command "
        "goes on for as long again. Without --settings, --most-runs alone bounds how many are tried",
    )
    halving: bool = Field(
        default=False, description="stop searched runs early, and let a share of them go on at each rung"
    )
    rungs: f.Rungs | None = Field(
        default=None, description="epochs at which --halving stops runs, the last one included (for 50: 3,50)"
    )
    factor: Annotated[int, Field(ge=2, le=10)] = Field(
        default=FACTOR, description=f"with --halving one setting in so many goes on (default: {FACTOR})"
    )
    seeds: f.Seeds = Field(description="how many, or which")
    epochs: f.Count = Field(default=50, description="of each run (default: 50); only --halving stops one early")
    sampler: f.Sampler = Field(
        default="auto", description="shuffle, pk (classes x samples), or auto: pk where classes are many"
    )
    samples_per_class: Annotated[int, Field(ge=2)] = Field(default=4, description="K of the P x K sampler")
    evaluate_every: f.Count = Field(default=10, description="epochs between evaluations")
    gpus_per_pack: Annotated[float, Field(ge=0.01, le=1)] | None = Field(
        default=None, description="fraction of a GPU that a pack waits for; chosen if not given"
    )
    checkpoint_seconds: Annotated[float, Field(gt=0)] = Field(
        default=30.0, description="time between two snapshots of a pack in training"
    )
    pack_size: f.Count | None = Field(default=None, description="most runs trained together; chosen if not given")
    most_runs: Annotated[int, Field(ge=1, le=100_000_000)] = Field(
        default=100_000, description="runs that a study may have (default: 100000): a larger one is refused"
    )
    synthetic: f.Synthetic = Field(
        default=SyntheticOptions(), description=f"how the clusters are drawn, as in {f.SYNTHETIC_EXAMPLE}"
    )
    rope: f.Regions = Field(
        default={}, description=f"regions of equivalence of the report, by metric: {f.ROPE_EXAMPLE}"
    )
    storage: f.Storage = Field(
        default=Path("results"),
        description="folder, or address such as s3://..., of records and reports (default: results)",
    )
    data_root: f.Folder = Field(default=HOME / "data", description=f"folder of the datasets (default: {HOME}/data)")
    cache: f.Folder = Field(default=HOME / "prepared", description="folder of decoded images and features")
    download: bool = Field(default=False, description="fetch the datasets and weights that are missing")
    skip_missing: bool = Field(default=False, description="go on without the datasets and weights that are missing")
    tracking_uri: str | None = Field(
        default=None, description="address of MLflow's server or database, else a file in the storage folder"
    )
    live_seconds: Annotated[float, Field(gt=0)] = Field(
        default=15.0, description="time between two times that MLflow is told of a run in training (default: 15)"
    )
    address: str | None = Field(default=None, description="Ray cluster to join, else this machine alone")

    @field_validator("name")
    @classmethod
    def _plain_name(cls, value: str) -> str:
        if not is_study_name(value):
            raise ValueError(
                f"{value!r} is no study name: use up to 100 letters, digits, '.', '_' and '-', "
                "a letter or digit first, no path separators"
            )
        return value

    @field_validator("tracking_uri", "address")
    @classmethod
    def _nothing_is_none(cls, value: str | None) -> str | None:
        return value or None

    @field_validator("synthetic")
    @classmethod
    def _possible_clusters(cls, value: SyntheticOptions) -> SyntheticOptions:
        check_clusters(value)
        return value

    @field_validator("rope")
    @classmethod
    def _possible_regions(cls, value: dict[str, float]) -> dict[str, float]:
        metrics_with(value)
        return value

    @model_validator(mode="after")
    def _few_enough_runs(self) -> StudyConfig:
        if self.search == "grid":
            tried: list[list[Sized]] = [list(self.tried(loss).values()) for loss in self.losses]
        else:
            tried = [[range(sum(self.settings_at_rungs))] for _ in self.losses]
        check_runs(tried, len(self.seeds), len(self.dataset_encoders()), self.most_runs)
        return self

    @model_validator(mode="after")
    def _possible_search(self) -> StudyConfig:
        for name in NUMERIC:
            check_levels(self.search, FIELD_OF[name], dict(self.values_of(name).own))
        if self.search == "grid":
            given = {name: getattr(self, name) for name in ("settings", "hours", "halving", "rungs")}
            odd = next((name for name, value in (*given.items(), ("factor", self.factor != FACTOR)) if value), None)
            if odd:
                raise ValueError(f"--{odd} is for a search: a grid trains all of its combinations; give --search sobol")
            return self
        if (self.rungs or self.factor != FACTOR) and not self.halving:
            raise ValueError("--rungs and --factor are for --halving, which is off: turn it on, or leave them out")
        fixed = [
            loss
            for loss in self.losses
            if not any(isinstance(values[0], Range) for values in self.tried(loss).values())
        ]
        if fixed:
            raise ValueError(
                f"--search {self.search} needs a range to draw from, and {fixed[0]!r} has levels alone: give "
                "--margins, --lrs or --weight-decays as in 0.1..10, or --search grid"
            )
        if self.halving:
            check_rungs(self.rung_epochs, self.epochs)
        check_budget(self.search, self.budget, self.rung_epochs, self.factor, timed=self.hours is not None)
        return self

    @model_validator(mode="after")
    def _equal_chances(self) -> StudyConfig:
        if self.search != "grid":
            return self
        always = ("miners", "margins", "lrs")
        several = [*always, *(name for name in PER_LOSS if name not in always and len(getattr(self, name).all) > 1)]
        counts = {loss: [len(getattr(self, name).of(loss)) for name in several] for loss in self.losses}
        if len({math.prod(each) for each in counts.values()}) > 1:
            texts = [f"{loss} has {' x '.join(map(str, each))} = {math.prod(each)}" for loss, each in counts.items()]
            options = " x ".join(f"--{name.replace('_', '-')}" for name in several)
            raise ValueError(
                f"every loss needs as many settings ({options}), for the best of more is better by chance: "
                f"{', '.join(texts)}"
            )
        return self

    @model_validator(mode="after")
    def _negatives_in_a_batch(self) -> StudyConfig:
        smallest = min(self.batch_size.all)
        if self.sampler == "pk" and 2 * self.samples_per_class > smallest:
            raise ValueError(
                f"batches of {smallest} hold fewer than two classes of {self.samples_per_class} samples: "
                "there would be no negatives; lower samples_per_class or raise --batch-size"
            )
        return self

    @model_validator(mode="after")
    def _encoders_fit(self) -> StudyConfig:
        names = [study_name(dataset) for dataset in self.datasets]
        twice = next((name for name, count in Counter(names).items() if count > 1), None)
        if twice:
            raise ValueError(f"two of the datasets are called {twice!r}: rename one of the folders")
        for dataset, encoders in self.encoder.items():
            if study_name(dataset) not in names:
                raise ValueError(f"--encoder {dataset}={','.join(encoders)}: the study has no dataset {dataset!r}")
            odd = next((name for name in encoders if name not in ("linear", "mlp")), None)
            if odd and not dataset_info(dataset).channels:
                raise ValueError(f"--encoder {dataset}={odd}: {dataset} holds vectors, no images: choose linear or mlp")
        backbones = {backbone_of(encoder) for _, encoder in self.dataset_encoders()}
        unused = next((name for name in self.weights if name not in backbones), None)
        if unused:
            raise ValueError(f"--weights {unused}=...: no encoder of this study is the backbone {unused!r}")
        if self.augment and not any(augments(dataset, encoder) for dataset, encoder in self.dataset_encoders()):
            raise ValueError("--augment: no dataset of this study is read by a cnn that could take it (never mnist)")
        return self

    @model_validator(mode="after")
    def _mlflow_can_be_stored(self) -> StudyConfig:
        if self.tracking_uri is None and not isinstance(self.storage, Path):
            raise ValueError(f"--storage {self.storage} can hold no MLflow database: give --tracking-uri as well")
        return self

    @property
    def mlflow_uri(self) -> str:
        """MLflow's address: the one given, else a database in the storage folder."""
        return self.tracking_uri or f"sqlite:///{self.storage / 'mlflow.db'}"

    @property
    def budget(self) -> int:
        """How many settings each seed tries for each loss on each dataset."""
        if self.search != "grid":
            most = self.most_runs // (len(self.seeds) * len(self.losses) * len(self.dataset_encoders()))
            return self.settings or default_settings(self.rung_epochs, self.factor, most if self.hours else None)
        return math.prod(len(values) for values in self.tried(self.losses[0]).values())

    @property
    def rung_epochs(self) -> tuple[int, ...]:
        """The epochs at which runs are stopped or go on, in order; the last epoch alone without halving."""
        return (self.rungs or default_rungs(self.epochs, self.factor)) if self.halving else (self.epochs,)

    @property
    def settings_at_rungs(self) -> tuple[int, ...]:
        """How many settings of a seed and loss are trained to each of `rung_epochs`, the default setting included."""
        *stopped, whole = (self.budget // self.factor**rung for rung in range(len(self.rung_epochs)))
        return (*stopped, whole + (self.search != "grid" and self.tries_default))

    @property
    def tries_default(self) -> bool:
        """Whether every loss may take the default setting. Then each search trains it too, beside those it draws."""
        return self.default_setting is not None

    def dataset_encoders(self) -> list[tuple[str, str]]:
        """Each dataset with each of its encoders, in the order given. Datasets are named as the user wrote them."""
        chosen = {study_name(dataset): encoders for dataset, encoders in self.encoder.items()}
        return [
            (dataset, encoder)
            for dataset in self.datasets
            for encoder in dict.fromkeys(chosen.get(study_name(dataset), dataset_info(dataset).encoders))
        ]


SWITCHES = tuple(name for name, field in StudyConfig.model_fields.items() if field.annotation is bool)


def augments(dataset: str, encoder: str) -> bool:
    """Whether images can be cropped and flipped: a CNN reads them, and a mirrored image keeps its class."""
    return encoder == "cnn" and dataset_info(dataset).flips
