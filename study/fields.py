"""The types of a study's fields: what a user may write for each, and what it becomes."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field
from upath import UPath

from trainables.datasets.registry import DATASETS, FOLDER
from trainables.datasets.splits import SPLITS
from trainables.encoders import NETWORKS, backbone_of
from trainables.losses import LOSSES
from trainables.miners import MINERS
from trainables.samplers import SAMPLERS


def unknown(kind: str, value: str, known: Iterable[str]) -> str:
    """What to say of a name that is not among those known."""
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
    values = [value] if isinstance(value, str) else value
    if not isinstance(values, (list, tuple)):
        return value
    # A path may hold commas.
    parts = [[item] if str(item).startswith(FOLDER) else _as_list(item) for item in values]
    return [name for part in parts for name in (DATASETS if part == ["all"] else part)]


def _known_dataset(value: str) -> str:
    if value.startswith(FOLDER):
        if not value.removeprefix(FOLDER).strip(" /"):
            raise ValueError("'folder:' needs a path: folder:PATH")
        return value
    if value not in DATASETS:
        raise ValueError(unknown("dataset", value, [*DATASETS, "folder:PATH"]))
    return value


def _assignments(example: str, paths: bool) -> BeforeValidator:
    """A mapping, from ``["name=value", ...]`` too; the name may be a path, or else (`paths`) the value may be one."""

    def parse(value: Any) -> Any:
        values = [value] if isinstance(value, str) else value
        if not isinstance(values, (list, tuple)):
            return value
        result: dict[str, Any] = {}
        for item in values:
            name, sign, part = str(item).partition("=") if paths else str(item).rpartition("=")
            if not (name and sign and part):
                raise ValueError(f"{item!r} should be NAME=VALUE, as in {example}")
            result.setdefault(name, []).append(part)
        return result

    return BeforeValidator(parse)


def _single(value: Any) -> Any:
    return value[0] if isinstance(value, list) and len(value) == 1 else value


def _known_encoder(value: str) -> str:
    backbone = backbone_of(value)
    if backbone is not None:
        from trainables.backbones import backbone_names  # imports torchvision's models

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
    """A folder, or the address of one on a file system that fsspec knows."""
    if not isinstance(value, (str, Path, UPath)) or "\0" in str(value):
        raise ValueError(f"{value!r} is no folder and no address")
    value = value.removeprefix("file://") if isinstance(value, str) else value
    if isinstance(value, Path) or "://" not in str(value):
        return _absolute(Path(value))
    try:
        folder = UPath(value)
        folder.fs  # noqa: B018 (opens the file system, whose package may be missing)
        return folder
    except Exception as error:  # the packages of remote file systems raise what they like
        raise ValueError(f"{value}: {error}") from None


_NotEmpty = Field(min_length=1)
_Distinct = AfterValidator(_distinct)
_Listed = BeforeValidator(_as_list)

_Dataset = Annotated[str, AfterValidator(_known_dataset)]
_Encoder = Annotated[str, AfterValidator(_known_encoder)]
_Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
_Seed = Annotated[int, Field(ge=0)]

Count = Annotated[int, Field(ge=1, le=1_000_000)]
Storage = Annotated[Any, BeforeValidator(_storage)]
Folder = Annotated[Path, AfterValidator(_absolute)]
Datasets = Annotated[tuple[_Dataset, ...], BeforeValidator(_all_datasets), _NotEmpty, _Distinct]
Encoders = Annotated[
    dict[str, Annotated[tuple[_Encoder, ...], _Listed, _NotEmpty]], _assignments("mnist=cnn", paths=False)
]
_File = Annotated[Folder, BeforeValidator(_single)]
Files = Annotated[dict[str, _File], _assignments("vit_b_32=FILE", paths=True)]
Split = Annotated[str, _one_of("split", SPLITS)]
Sampler = Annotated[str, _one_of("sampler", ["auto", *SAMPLERS])]
Losses = Annotated[tuple[Annotated[str, _one_of("loss", LOSSES)], ...], _Listed, _NotEmpty, _Distinct]
Miners = Annotated[tuple[Annotated[str, _one_of("miner", MINERS)], ...], _Listed, _NotEmpty, _Distinct]
Positives = Annotated[tuple[_Positive, ...], _Listed, _NotEmpty, _Distinct]
Seeds = Annotated[tuple[_Seed, ...], BeforeValidator(_as_seeds), _NotEmpty, _Distinct]
