"""What a study may be told: one model for the presets, the YAML files and the command line."""

from __future__ import annotations

import difflib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from analysis.loading import is_study_name
from study import fields as f
from trainables.datasets.registry import DATASETS, kind_of, study_name
from trainables.datasets.synthetic import SyntheticOptions
from trainables.encoders import backbone_of
from trainables.losses import LOSSES
from trainables.miners import MINERS

PRESETS = Path(__file__).parent / "presets"
DEFAULT_PRESET = "sweep"

# The fields that are options of the command; the others are for YAML files.
LIST_OPTIONS = ("datasets", "encoder", "weights", "losses", "miners", "margins", "lrs", "seeds")
VALUE_OPTIONS = (
    *("split", "tuning_seeds", "epochs", "batch_size", "sampler", "embedding_dim", "pack_size", "gpus_per_pack"),
    *("name", "storage", "data_root", "cache", "tracking_uri", "address"),
)
SWITCHES = ("normalize", "augment", "download", "skip_missing")
COMMAND_LINE = {*LIST_OPTIONS, *VALUE_OPTIONS, *SWITCHES}
_ENVIRONMENT = {"tracking_uri": "MLFLOW_TRACKING_URI", "address": "RAY_ADDRESS"}  # variables that stand for fields
HOME = Path("~/.cache/contrastive-or-triplet")


class ConfigError(ValueError):
    """What is wrong with a study's configuration, in one line."""


class StudyConfig(BaseModel):
    """A study: the grid of runs, how each is trained, and where it all goes."""

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True)

    name: str = Field(description="name of the study: its folder and its MLflow experiment")
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
    miners: f.Miners = Field(description="any of " + ", ".join(MINERS))
    margins: f.Positives = Field(description="on d (contrastive) or d^2 (triplet, miners)")
    lrs: f.Positives = Field(description="learning rates of Adam")
    seeds: f.Seeds = Field(description="how many, or which")
    tuning_seeds: Annotated[int, Field(ge=1)] = Field(
        default=3, description="seeds that choose hyperparameters; the others confirm"
    )
    epochs: f.Count = Field(default=50, description="nothing stops a run early")
    batch_size: Annotated[int, Field(ge=2, le=1_000_000)] = Field(default=64, description="samples in a batch")
    sampler: f.Sampler = Field(
        default="auto", description="shuffle, pk (classes x samples), or auto: pk where classes are many"
    )
    samples_per_class: Annotated[int, Field(ge=2)] = Field(default=4, description="K of the P x K sampler")
    embedding_dim: Annotated[int, Field(ge=1, le=65_536)] = Field(default=128, description="dimension of the embedding")
    normalize: bool = Field(default=False, description="L2-normalise the embeddings")
    evaluate_every: f.Count = Field(default=10, description="epochs between evaluations")
    gpus_per_pack: Annotated[float, Field(ge=0.01, le=1)] | None = Field(
        default=None, description="share of a GPU that a pack waits for, else what it fills of those at hand"
    )
    checkpoint_seconds: Annotated[float, Field(gt=0)] = Field(
        default=30.0, description="time between two snapshots of a pack in training"
    )
    pack_size: f.Count | None = Field(default=None, description="most runs trained together; chosen if not given")
    synthetic: SyntheticOptions = Field(default=SyntheticOptions(), description="shape of the synthetic clusters")
    storage: f.Storage = Field(
        default=Path("results"), description="folder, or address such as s3://..., of records and reports"
    )
    data_root: f.Folder = Field(default=HOME / "data", description=f"folder of the datasets (default: {HOME}/data)")
    cache: f.Folder = Field(default=HOME / "prepared", description="folder of decoded images and features")
    download: bool = Field(default=False, description="fetch the datasets and weights that are missing")
    skip_missing: bool = Field(default=False, description="go on without the datasets and weights that are missing")
    tracking_uri: str | None = Field(default=None, description="MLflow server, else a file in the storage folder")
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
        counts = (value.classes - 1, value.samples_per_class - 4, value.dim)
        scales = (value.separation, value.spread)
        shares = (value.overlap, value.outliers)
        if min(counts) < 1 or not all(0 < scale < float("inf") for scale in scales):
            raise ValueError("needs at least 2 classes of 5 samples, and a positive dim, separation and spread")
        if not all(0 <= share <= 1 for share in shares):
            raise ValueError("overlap and outliers are shares between 0 and 1")
        return value

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
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice:
            raise ValueError(f"two of the datasets are called {twice!r}: rename one of the folders")
        for dataset, encoders in self.encoder.items():
            if study_name(dataset) not in names:
                raise ValueError(f"--encoder {dataset}={','.join(encoders)}: the study has no dataset {dataset!r}")
            odd = next((name for name in encoders if name not in ("linear", "mlp")), None)
            if odd and not kind_of(dataset).channels:
                raise ValueError(f"--encoder {dataset}={odd}: {dataset} holds vectors, no images: choose linear or mlp")
        backbones = {backbone_of(encoder) for _, encoder in self.readings()}
        unused = next((name for name in self.weights if name not in backbones), None)
        if unused:
            raise ValueError(f"--weights {unused}=...: no encoder of this study is the backbone {unused!r}")
        if self.augment and not any(augments(dataset, encoder) for dataset, encoder in self.readings()):
            raise ValueError("--augment: no dataset of this study is read by a cnn that could take it (never mnist)")
        return self

    @model_validator(mode="after")
    def _a_place_for_mlflow(self) -> StudyConfig:
        if self.tracking_uri is None and not isinstance(self.storage, Path):
            raise ValueError(f"--storage {self.storage} can hold no MLflow database: give --tracking-uri as well")
        return self

    @property
    def mlflow_uri(self) -> str:
        """MLflow's address: what was given, else a database in the storage folder."""
        return self.tracking_uri or f"sqlite:///{self.storage / 'mlflow.db'}"

    def readings(self) -> list[tuple[str, str]]:
        """(dataset, encoder) in the order asked for, datasets as the user wrote them."""
        asked = {study_name(dataset): encoders for dataset, encoders in self.encoder.items()}
        return [
            (dataset, encoder)
            for dataset in self.datasets
            for encoder in dict.fromkeys(asked.get(study_name(dataset), kind_of(dataset).encoders))
        ]


def augments(dataset: str, encoder: str) -> bool:
    """Whether random crops and flips can be had: for a network of images, where a mirrored image is of its class."""
    return encoder == "cnn" and kind_of(dataset).flips


def environment() -> dict[str, str]:
    """Fields of `StudyConfig` that environment variables stand for, as far as they are set."""
    return {field: os.environ[variable] for field, variable in _ENVIRONMENT.items() if os.environ.get(variable)}


def preset_names() -> list[str]:
    """The presets that come with the study."""
    return sorted(path.stem for path in PRESETS.glob("*.yaml"))


def load_config(
    preset: str | None, file: Path | None, options: Mapping[str, Any], environment: Mapping[str, Any] | None = None
) -> StudyConfig:
    """The configuration from a preset, the environment, a YAML file and options, each over those before.

    Args:
        preset: Name of a preset; `DEFAULT_PRESET` where neither it nor a file is given. A file alone stands on the
            default preset too.
        file: YAML file with fields of `StudyConfig`.
        options: Fields of `StudyConfig` by name.
        environment: Likewise, from environment variables.

    Raises:
        ConfigError: With one line on the first thing that is wrong.
    """
    base = preset or DEFAULT_PRESET
    if base not in preset_names():
        raise ConfigError(f.unknown("preset", base, preset_names()))
    fields = {"name": base, **_read_yaml(PRESETS / f"{base}.yaml"), **(environment or {})}
    if file is not None:
        fields.update({"name": file.stem, **_read_yaml(file)})
    fields.update(options)
    try:
        return StudyConfig.model_validate(fields)
    except ValidationError as error:
        raise ConfigError(_one_line(error, file, options)) from None


def _read_yaml(path: Path) -> dict[str, Any]:
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"cannot read {path}: {error.strerror}") from None
    except (yaml.YAMLError, ValueError) as error:  # a date that does not exist is a ValueError
        raise ConfigError(f"{path} is not YAML: {' '.join(str(error).split())}") from None
    if not isinstance(content, dict):
        raise ConfigError(f"{path} must hold fields such as `margins: [0.2, 1.0]`, not {type(content).__name__}")
    return {str(name): value for name, value in content.items()}


def _one_line(error: ValidationError, file: Path | None, options: Mapping[str, Any]) -> str:
    first = error.errors()[0]
    path = [part for part in first["loc"] if isinstance(part, str)]
    where = path[0] if path and path[0] in COMMAND_LINE else ".".join(path)
    if file is not None and not (path and path[0] in options):
        option = f"{file}: {where}: " if where else f"{file}: "
    elif where:
        option = f"--{where.replace('_', '-')}: " if where in COMMAND_LINE else f"{where}: "
    else:
        option = ""
    if first["type"] in ("extra_forbidden", "unexpected_keyword_argument"):
        nearest = difflib.get_close_matches(where, list(StudyConfig.model_fields), n=1)
        hint = f"; did you mean {nearest[0]!r}?" if nearest else ""
        return f"{f'{file}: ' if file else ''}unknown field {where!r}{hint}"
    message = first["msg"].removeprefix("Value error, ").replace("a valid tuple", "a list")
    given = first["input"]
    shown = "" if first["type"] == "value_error" else f" (got {given!r})"
    return f"{option}{message[0].lower()}{message[1:]}{shown}"
