"""The configuration of a study: one model for presets, YAML files and the command line."""

from __future__ import annotations

import itertools
import math
import os
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator
from upath import UPath

from analysis.limits import LimitsError
from analysis.masking import learn, with_scheme
from analysis.metrics import metrics_with
from analysis.plain_text import name_text
from analysis.store.loading import is_study_name
from analysis.yaml_file import YamlError, read_yaml
from study.config import fields as f
from study.config.faults import one_line
from study.config.sizes import check_clusters, check_runs
from trainables.datasets.registry import DATASETS, dataset_info, study_name
from trainables.datasets.synthetic import SyntheticOptions
from trainables.networks.encoders import backbone_of
from trainables.objectives.losses import LOSSES
from trainables.objectives.miners import MINERS

PRESETS = Path(__file__).parent / "presets"
DEFAULT_PRESET = "sweep"
_LONGEST_PATH = 400  # characters of what a message shows

# Every field is an option of the command; these take several values.
LIST_OPTIONS = ("datasets", "encoder", "weights", "losses", "miners", "margins", "lrs", "seeds", "synthetic", "rope")
# The fields of which each loss may have its own values.
PER_LOSS = ("miners", "margins", "lrs")
_ADDRESSES = ("tracking_uri", "storage", "address")
_ENVIRONMENT = {"tracking_uri": "MLFLOW_TRACKING_URI", "address": "RAY_ADDRESS"}  # fields and their variables
HOME = Path("~/.cache/contrastive-or-triplet")


class ConfigError(ValueError):
    """The first fault of a study's configuration, in one line."""


class StudyConfig(BaseModel):
    """A study: the grid of runs, how they are trained, and where results are stored."""

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True)

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
    losses: f.Losses = Field(description="any of " + ", ".join(LOSSES))
    miners: f.MinersPerLoss = Field(
        description=f"any of {', '.join(MINERS)}; or for each loss its own: {f.MINERS_EXAMPLE}"
    )
    margins: f.Margins = Field(
        description=f"on d or d^2, as the loss defines it; or for each loss its own: {f.MARGINS_EXAMPLE}"
    )
    lrs: f.Rates = Field(description=f"learning rates of Adam; or for each loss its own: {f.RATES_EXAMPLE}")
    seeds: f.Seeds = Field(description="how many, or which")
    epochs: f.Count = Field(default=50, description="of each run (default: 50); nothing stops one early")
    batch_size: Annotated[int, Field(ge=2, le=1_000_000)] = Field(default=64, description="samples in a batch")
    sampler: f.Sampler = Field(
        default="auto", description="shuffle, pk (classes x samples), or auto: pk where classes are many"
    )
    samples_per_class: Annotated[int, Field(ge=2)] = Field(default=4, description="K of the P x K sampler")
    embedding_dim: Annotated[int, Field(ge=1, le=65_536)] = Field(default=128, description="dimension of the embedding")
    normalize: bool = Field(default=False, description="L2-normalise the embeddings")
    evaluate_every: f.Count = Field(default=10, description="epochs between evaluations")
    gpus_per_pack: Annotated[float, Field(ge=0.01, le=1)] | None = Field(
        default=None, description="fraction of a GPU that a pack waits for; chosen if not given"
    )
    checkpoint_seconds: Annotated[float, Field(gt=0)] = Field(
        default=30.0, description="time between two snapshots of a pack in training"
    )
    pack_size: f.Count | None = Field(default=None, description="most runs trained together; chosen if not given")
    most_runs: Annotated[int, Field(ge=1, le=100_000_000)] = Field(
        default=100_000, description="runs that a study may have (default: 100000): a larger grid is refused"
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
        tried = [[self.miners.of(loss), self.margins.of(loss), self.lrs.of(loss)] for loss in self.losses]
        check_runs(tried, len(self.seeds), len(self.dataset_encoders()), self.most_runs)
        return self

    @model_validator(mode="after")
    def _equal_chances(self) -> StudyConfig:
        tried = (self.miners, self.margins, self.lrs)
        counts = {loss: [len(values.of(loss)) for values in tried] for loss in self.losses}
        if len({math.prod(each) for each in counts.values()}) > 1:
            texts = [f"{loss} has {' x '.join(map(str, each))} = {math.prod(each)}" for loss, each in counts.items()]
            raise ValueError(
                "every loss needs as many settings (--miners x --margins x --lrs), for the best of more is better by "
                f"chance: {', '.join(texts)}"
            )
        return self

    @model_validator(mode="after")
    def _negatives_in_a_batch(self) -> StudyConfig:
        if self.sampler == "pk" and 2 * self.samples_per_class > self.batch_size:
            raise ValueError(
                f"batches of {self.batch_size} hold fewer than two classes of {self.samples_per_class} samples: "
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

    def settings(self, loss: str) -> list[tuple[str, float, float]]:
        """Each miner, margin and learning rate that a loss tries together."""
        return list(itertools.product(self.miners.of(loss), self.margins.of(loss), self.lrs.of(loss)))

    def dataset_encoders(self) -> list[tuple[str, str]]:
        """Each dataset with each of its encoders, in the order given. Datasets are named as the user wrote them."""
        chosen = {study_name(dataset): encoders for dataset, encoders in self.encoder.items()}
        return [
            (dataset, encoder)
            for dataset in self.datasets
            for encoder in dict.fromkeys(chosen.get(study_name(dataset), dataset_info(dataset).encoders))
        ]


SWITCHES = tuple(name for name, field in StudyConfig.model_fields.items() if field.annotation is bool)
VALUE_OPTIONS = tuple(name for name in StudyConfig.model_fields if name not in (*LIST_OPTIONS, *SWITCHES))


def augments(dataset: str, encoder: str) -> bool:
    """Whether images can be cropped and flipped: a CNN reads them, and a mirrored image keeps its class."""
    return encoder == "cnn" and dataset_info(dataset).flips


def environment() -> dict[str, str]:
    """Fields of `StudyConfig` that are set by environment variables."""
    return {field: os.environ[variable] for field, variable in _ENVIRONMENT.items() if os.environ.get(variable)}


def preset_names() -> list[str]:
    """The names of the presets."""
    return sorted(path.stem for path in PRESETS.glob("*.yaml"))


def load_config(
    preset: str | None, file: Path | None, options: Mapping[str, Any], environment: Mapping[str, Any] | None = None
) -> StudyConfig:
    """Reads a configuration from a preset, the environment, a YAML file and options. Later ones override earlier ones.

    Args:
        preset: Name of a preset; `DEFAULT_PRESET` if it is None.
        file: YAML file with fields of `StudyConfig`.
        options: Fields of `StudyConfig` by name.
        environment: Fields of `StudyConfig` from environment variables.

    Raises:
        ConfigError: With one line about the first fault.
    """
    base = preset or DEFAULT_PRESET
    if base not in preset_names():
        raise ConfigError(f.unknown("preset", base, preset_names()))
    own = {**(environment or {})}
    if file is not None:
        own.update({"name": file.stem, **_read_yaml(file)})
    own.update(options)
    learn(*(with_scheme(own[name]) for name in _ADDRESSES if isinstance(own.get(name), (str, Path, UPath))))
    try:
        return StudyConfig.model_validate({"name": base, **_of_losses(PRESETS / f"{base}.yaml", own), **own})
    except ValidationError as error:
        raise ConfigError(one_line(error, file, options, StudyConfig.model_fields, PER_LOSS)) from None


def _of_losses(preset: Path, own: Mapping[str, Any]) -> dict[str, Any]:
    """A preset's fields, without the hyperparameters of losses that are left out of one's own study."""
    fields = _read_yaml(preset)
    losses = own.get("losses", fields["losses"])
    kept = {name: fields[name] for name in PER_LOSS if isinstance(fields[name], dict)}
    return fields | {
        name: {loss: values for loss, values in by_loss.items() if loss in losses} for name, by_loss in kept.items()
    }


def _read_yaml(path: Path) -> dict[str, Any]:
    file = name_text(path, _LONGEST_PATH)
    try:
        content = read_yaml(path)
    except OSError as error:
        raise ConfigError(f"cannot read {file}: {error.strerror}") from None
    except LimitsError as error:
        raise ConfigError(str(error)) from None
    except YamlError as error:
        raise ConfigError(f"{file} {error}") from None
    if not isinstance(content, dict):
        raise ConfigError(f"{file} must hold fields such as `margins: [0.2, 1.0]`, not {type(content).__name__}")
    return {str(name): value for name, value in content.items()}
