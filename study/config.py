"""What a study may be told: one model for the presets, the YAML files and the command line."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any

import yaml
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    field_validator,
    model_validator,
)

from trainables.datasets import DATASETS
from trainables.datasets.synthetic import SyntheticOptions
from trainables.losses import LOSSES
from trainables.miners import MINERS
from trainables.samplers import SAMPLERS

PRESETS = Path(__file__).parent / "presets"
DEFAULT_PRESET = "sweep"

# The fields that are options of the command; the others are for YAML files.
LIST_OPTIONS = ("datasets", "losses", "miners", "margins", "lrs", "seeds")
VALUE_OPTIONS = (
    *("epochs", "batch_size", "sampler", "embedding_dim", "pack_size"),
    *("name", "storage", "tracking_uri", "address"),
)
COMMAND_LINE = {*LIST_OPTIONS, *VALUE_OPTIONS, "normalize"}


class ConfigError(ValueError):
    """What is wrong with a study's configuration, in one line."""


def _one_of(kind: str, known: Iterable[str]) -> AfterValidator:
    names = list(known)

    def check(value: str) -> str:
        if value in names:
            return value
        nearest = difflib.get_close_matches(value, names, n=1)
        hint = f"did you mean {nearest[0]!r}? " if nearest else ""
        raise ValueError(f"unknown {kind} {value!r}: {hint}choose from {', '.join(names)}")

    return AfterValidator(check)


def _as_list(value: Any) -> Any:
    """Lets a single value stand for a list of one, and "a,b" for two."""
    if isinstance(value, str):
        value = [value]
    elif isinstance(value, (int, float)):
        return [value]
    if not isinstance(value, (list, tuple)):
        return value
    return [part for item in value for part in (item.split(",") if isinstance(item, str) else [item]) if part != ""]


def _distinct(values: tuple[Any, ...]) -> tuple[Any, ...]:
    return tuple(dict.fromkeys(values))


def _as_seeds(value: Any) -> Any:
    """A single whole number N stands for the seeds 0 to N - 1."""
    values = _as_list(value)
    if isinstance(values, list) and len(values) == 1 and re.fullmatch(r"-?\d+", str(values[0])):
        count = int(values[0])
        if count < 1:
            raise ValueError("a study needs at least one seed: give a number of seeds, or a list of them")
        if count > 100_000:
            raise ValueError(f"{count} seeds are more than a study can hold (100000)")
        return list(range(count))
    return values


def _all_datasets(value: Any) -> Any:
    values = _as_list(value)
    return list(DATASETS) if values == ["all"] else values


_Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
_Count = Annotated[int, Field(ge=1, le=1_000_000)]


_Dataset = Annotated[str, _one_of("dataset", DATASETS)]
_Loss = Annotated[str, _one_of("loss", LOSSES)]
_Miner = Annotated[str, _one_of("miner", MINERS)]
_Seed = Annotated[int, Field(ge=0)]

_NotEmpty = Field(min_length=1)
_Distinct = AfterValidator(_distinct)
_Listed = BeforeValidator(_as_list)


class StudyConfig(BaseModel):
    """A study: the grid of runs, how each is trained, and where it all goes."""

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True)

    name: str = Field(description="name of the study: its folder and its MLflow experiment")
    datasets: Annotated[tuple[_Dataset, ...], BeforeValidator(_all_datasets), _NotEmpty, _Distinct] = Field(
        description=f"'all', or any of {', '.join(DATASETS)}"
    )
    losses: Annotated[tuple[_Loss, ...], _Listed, _NotEmpty, _Distinct] = Field(
        description="any of " + ", ".join(LOSSES)
    )
    miners: Annotated[tuple[_Miner, ...], _Listed, _NotEmpty, _Distinct] = Field(
        description="any of " + ", ".join(MINERS)
    )
    margins: Annotated[tuple[_Positive, ...], _Listed, _NotEmpty, _Distinct] = Field(
        description="on d (contrastive) or d^2 (triplet, miners)"
    )
    lrs: Annotated[tuple[_Positive, ...], _Listed, _NotEmpty, _Distinct] = Field(description="learning rates of Adam")
    seeds: Annotated[tuple[_Seed, ...], BeforeValidator(_as_seeds), _NotEmpty, _Distinct] = Field(
        description="how many, or which"
    )
    epochs: _Count = Field(default=50, description="nothing stops a run early")
    batch_size: Annotated[int, Field(ge=2, le=1_000_000)] = Field(default=64, description="samples in a batch")
    sampler: Annotated[str, _one_of("sampler", SAMPLERS)] = Field(
        default="shuffle", description="shuffle, or pk (classes x samples)"
    )
    samples_per_class: Annotated[int, Field(ge=2)] = Field(default=4, description="K of the P x K sampler")
    embedding_dim: Annotated[int, Field(ge=1, le=65_536)] = Field(default=128, description="dimension of the embedding")
    normalize: bool = Field(default=False, description="L2-normalise the embeddings")
    evaluate_every: _Count = Field(default=10, description="epochs between evaluations")
    gpus_per_pack: Annotated[float, Field(gt=0, le=1)] = Field(
        default=1.0, description="share of a GPU, where there are any"
    )
    pack_size: _Count | None = Field(default=None, description="most runs trained together; chosen if not given")
    synthetic: SyntheticOptions = Field(default=SyntheticOptions(), description="shape of the synthetic clusters")
    storage: Path = Field(default=Path("results"), description="folder of records, reports and the default MLflow")
    tracking_uri: str | None = Field(default=None, description="MLflow server, else a file in the storage folder")
    address: str | None = Field(default=None, description="Ray cluster to join, else this machine alone")

    @field_validator("name")
    @classmethod
    def _plain_name(cls, value: str) -> str:
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}", value) or value.endswith((".db", ".")):
            raise ValueError(
                f"{value!r} is no study name: use up to 100 letters, digits, '.', '_' and '-', "
                "a letter or digit first, no path separators"
            )
        return value

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

    @field_validator("storage")
    @classmethod
    def _absolute(cls, value: Path) -> Path:
        try:
            return value.expanduser().absolute()
        except RuntimeError as error:
            raise ValueError(f"{value}: {error}") from None

    @model_validator(mode="after")
    def _negatives_in_a_batch(self) -> StudyConfig:
        if self.sampler == "pk" and 2 * self.samples_per_class > self.batch_size:
            raise ValueError(
                f"batches of {self.batch_size} hold fewer than two classes of {self.samples_per_class} samples: "
                "there would be no negatives; lower samples_per_class or raise --batch-size"
            )
        return self


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
        nearest = difflib.get_close_matches(base, preset_names(), n=1)
        hint = f"did you mean {nearest[0]!r}? " if nearest else ""
        raise ConfigError(f"unknown preset {base!r}: {hint}choose from {', '.join(preset_names())}")
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
    where = ".".join(path) or "configuration"
    if file is not None and not (path and path[0] in options):
        option = f"{file}: {where}"
    else:
        option = f"--{where.replace('_', '-')}" if where in COMMAND_LINE else where
    if first["type"] in ("extra_forbidden", "unexpected_keyword_argument"):
        nearest = difflib.get_close_matches(where, list(StudyConfig.model_fields), n=1)
        hint = f"; did you mean {nearest[0]!r}?" if nearest else ""
        return f"{f'{file}: ' if file else ''}unknown field {where!r}{hint}"
    message = first["msg"].removeprefix("Value error, ").replace("a valid tuple", "a list")
    given = first["input"]
    shown = "" if first["type"] == "value_error" else f" (got {given!r})"
    return f"{option}: {message[0].lower()}{message[1:]}{shown}"
