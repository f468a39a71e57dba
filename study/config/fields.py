"""The types of a study's fields: what a user may write for each, and the value that it becomes."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field, WrapValidator
from upath import UPath

from study.config.levels import Level, level_or_range
from study.config.per_loss import EachLoss, PerLoss, each_loss
from study.config.searches import MOST_HOURS, SAMPLINGS
from trainables.datasets.registry import DATASETS, FOLDER, study_name
from trainables.datasets.splits import SPLITS
from trainables.datasets.synthetic import SyntheticOptions
from trainables.networks.encoders import NETWORKS, backbone_of
from trainables.objectives.losses import LOSSES
from trainables.objectives.miners import MINERS
from trainables.training.samplers import SAMPLERS


def unknown(kind: str, value: str, known: Iterable[str]) -> str:
    """The message about a name that is not known."""
    names = list(known)
    nearest = difflib.get_close_matches(value, names, n=1)
    hint = f"did you mean {nearest[0]!r}? " if nearest else ""
    return f"unknown {kind} {value!r}: {hint}choose from {', '.join(names)}"


def _one_of(kind: str, known: Iterable[str]) -> AfterValidator:
    names = list(known)

    def check(value: str) -> str:
        if value in names:
            return value
        raise ValueError(unknown(kind, value, names))

    return AfterValidator(check)


def as_list(value: Any) -> Any:
    """Reads a single value as a list of one, and "a,b" as a list of two."""
    if isinstance(value, str):
        value = [value]
    elif isinstance(value, (int, float)):
        return [value]
    if not isinstance(value, (list, tuple)):
        return value
    lists = [item.split(",") if isinstance(item, str) else [item] for item in value]
    return [element for elements in lists for element in elements if element != ""]


def _distinct(values: tuple[Any, ...]) -> tuple[Any, ...]:
    return tuple(dict.fromkeys(values))


def _as_seeds(value: Any) -> Any:
    """Reads a single integer N as the seeds 0 to N - 1."""
    values = as_list(value)
    if isinstance(values, list) and len(values) == 1 and re.fullmatch(r"-?\d+", str(values[0])):
        count = int(values[0])
        if count < 1:
            raise ValueError("a study needs at least one seed: give a number of seeds, or a list of them")
        if count > 100_000:
            raise ValueError(f"{count} seeds are more than a study can hold (100000)")
        return list(range(count))
    return values


def _all_datasets(value: Any) -> Any:
    values = [value] if isinstance(value, str) else value
    if not isinstance(values, (list, tuple)):
        return value
    # A path may hold commas.
    lists = [[item] if str(item).startswith(FOLDER) else as_list(item) for item in values]
    return [name for names in lists for name in (DATASETS if names == ["all"] else names)]


def _known_dataset(value: str) -> str:
    if value.startswith(FOLDER):
        if not value.removeprefix(FOLDER).strip(" /"):
            raise ValueError("'folder:' needs a path: folder:PATH")
        try:
            study_name(value).encode()
        except UnicodeEncodeError:
            raise ValueError(f"the name of {value!r} is no UTF-8, and cannot be recorded: rename that folder") from None
        return value
    if value not in DATASETS:
        raise ValueError(unknown("dataset", value, [*DATASETS, "folder:PATH"]))
    return value


def _assignments(example: str, paths: bool) -> BeforeValidator:
    """Reads ``["name=value", ...]`` as a mapping. Paths may hold "=": the values are paths (`paths`), or the names."""

    def parse(value: Any) -> Any:
        values = [value] if isinstance(value, str) else value
        if not isinstance(values, (list, tuple)):
            return value
        result: dict[str, Any] = {}
        for item in values:
            name, sign, assigned = str(item).partition("=") if paths else str(item).rpartition("=")
            if not (name and sign and assigned):
                raise ValueError(f"{item!r} should be NAME=VALUE, as in {example}")
            result.setdefault(name, []).append(assigned)
        return result

    return BeforeValidator(parse)


def _single(value: Any) -> Any:
    return value[0] if isinstance(value, list) and len(value) == 1 else value


def _as_fields(value: Any) -> Any:
    """Takes the single value of each field."""
    return {name: _single(assigned) for name, assigned in value.items()} if isinstance(value, dict) else value


def _known_encoder(value: str) -> str:
    backbone = backbone_of(value)
    if backbone is not None:
        from trainables.networks.backbones import backbone_names  # slow: imports torchvision's models

        known = [*NETWORKS, *backbone_names()]
        if backbone not in known:
            raise ValueError(unknown("encoder", value, known))
    return value


def _absolute(value: Path) -> Path:
    try:
        return value.expanduser().absolute()
    except RuntimeError as error:
        raise ValueError(f"{value}: {error}") from None


def _storage(value: Any) -> Any:
    """A local folder, or an address of a file system that fsspec knows."""
    if not isinstance(value, (str, Path, UPath)) or "\0" in str(value):
        raise ValueError(f"{value!r} is no folder and no address")
    value = value.removeprefix("file://") if isinstance(value, str) else value
    if isinstance(value, Path) or "://" not in str(value):
        return _absolute(Path(value))
    try:
        folder = UPath(value)
        folder.fs  # noqa: B018 (opens the file system; its package may be missing)
    except Exception as error:  # the packages of remote file systems raise errors of many kinds
        raise ValueError(f"{value}: {error}") from None
    if "[" in folder.path:
        raise ValueError(f"{value}: remote file systems take '[' for a pattern, choose a name without it")
    return folder


_NotEmpty = Field(min_length=1)
_Distinct = AfterValidator(_distinct)
_Listed = BeforeValidator(as_list)

_Dataset = Annotated[str, AfterValidator(_known_dataset)]
_Encoder = Annotated[str, AfterValidator(_known_encoder)]
_Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
_Seed = Annotated[int, Field(ge=0, lt=2**53)]

Count = Annotated[int, Field(ge=1, le=1_000_000)]
Hours = Annotated[float, Field(gt=0, le=MOST_HOURS, allow_inf_nan=False)]
Storage = Annotated[Any, BeforeValidator(_storage)]
Folder = Annotated[Path, AfterValidator(_absolute)]
Datasets = Annotated[tuple[_Dataset, ...], BeforeValidator(_all_datasets), _NotEmpty, _Distinct]
Encoders = Annotated[
    dict[str, Annotated[tuple[_Encoder, ...], _Listed, _NotEmpty]], _assignments("mnist=cnn", paths=False)
]
_File = Annotated[Folder, BeforeValidator(_single)]
Files = Annotated[dict[str, _File], _assignments("vit_b_32=FILE", paths=True)]
SYNTHETIC_EXAMPLE = "spread=1.5 overlap=0.1"
Synthetic = Annotated[SyntheticOptions, BeforeValidator(_as_fields), _assignments(SYNTHETIC_EXAMPLE, paths=False)]
ROPE_EXAMPLE = "map_at_r=0.02 intra_variance=1.2"
Regions = Annotated[dict[str, float], BeforeValidator(_as_fields), _assignments(ROPE_EXAMPLE, paths=False)]
Split = Annotated[str, _one_of("split", SPLITS)]
Sampler = Annotated[str, _one_of("sampler", ["auto", *SAMPLERS])]
Losses = Annotated[tuple[Annotated[str, _one_of("loss", LOSSES)], ...], _Listed, _NotEmpty, _Distinct]
Miners = Annotated[tuple[Annotated[str, _one_of("miner", MINERS)], ...], _Listed, _NotEmpty, _Distinct]
Levels = Annotated[tuple[Annotated[_Positive, WrapValidator(level_or_range)], ...], _Listed, _NotEmpty, _Distinct]
_Decay = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Decays = Annotated[tuple[Annotated[_Decay, WrapValidator(level_or_range)], ...], _Listed, _NotEmpty, _Distinct]
Sizes = Annotated[tuple[Annotated[int, Field(ge=2, le=1_000_000)], ...], _Listed, _NotEmpty, _Distinct]
Dimensions = Annotated[tuple[Annotated[int, Field(ge=1, le=65_536)], ...], _Listed, _NotEmpty, _Distinct]
Answers = Annotated[tuple[bool, ...], _Listed, _NotEmpty, _Distinct]
MINERS_EXAMPLE = each_loss("all,hard", "all,semihard")
MinersPerLoss = Annotated[PerLoss[str], EachLoss(Miners, MINERS_EXAMPLE)]
MARGINS_EXAMPLE = each_loss("0.5,2,8", "0.1,0.4,1.6")
Margins = Annotated[PerLoss[Level], EachLoss(Levels, MARGINS_EXAMPLE)]
RATES_EXAMPLE = each_loss("1e-3,3e-4", "1e-3,1e-4")
Rates = Annotated[PerLoss[Level], EachLoss(Levels, RATES_EXAMPLE)]
DECAYS_EXAMPLE = each_loss("0,1e-4", "0,1e-2")
DecaysPerLoss = Annotated[PerLoss[Level], EachLoss(Decays, DECAYS_EXAMPLE)]
SizesPerLoss = Annotated[PerLoss[int], EachLoss(Sizes, each_loss("32,64", "64,128"))]
DimensionsPerLoss = Annotated[PerLoss[int], EachLoss(Dimensions, each_loss("64,128", "128,256"))]
AnswersPerLoss = Annotated[PerLoss[bool], EachLoss(Answers, each_loss("false", "false,true"))]
Sampling = Annotated[str, _one_of("search", SAMPLINGS)]
Rungs = Annotated[tuple[Count, ...], _Listed, _NotEmpty]
Seeds = Annotated[tuple[_Seed, ...], BeforeValidator(_as_seeds), _NotEmpty, _Distinct]
