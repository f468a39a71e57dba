"""Reads the configuration of a study: from a preset, the environment, a YAML file and options."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from upath import UPath

from analysis.comparison.levels import NUMERIC
from analysis.comparison.pairing import USUAL
from analysis.limits import LimitsError
from analysis.masking import learn, with_scheme
from analysis.plain_text import name_text
from analysis.yaml_file import YamlError, read_yaml
from study.config import fields as f
from study.config.default_ranges import default_ranges
from study.config.faults import one_line
from study.config.hyperparameters import FIELD_OF, PER_LOSS
from study.config.levels import TO
from study.config.model import StudyConfig

PRESETS = Path(__file__).parent / "presets"
DEFAULT_PRESET = "sweep"
_OF_SEARCHES = ("search", "settings", "hours", "halving", "rungs", "factor")  # fields
_LONGEST_PATH = 400  # characters of what a message shows
_ADDRESSES = ("tracking_uri", "storage", "address")
_ENVIRONMENT = {"tracking_uri": "MLFLOW_TRACKING_URI", "address": "RAY_ADDRESS"}  # fields and their variables


class ConfigError(ValueError):
    """The first fault of a study's configuration, in one line."""


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
        fields = _read_yaml(file)
        own.update({"name": file.stem, **(_of_losses(fields, options) if "losses" in options else fields)})
    own.update(options)
    learn(*(with_scheme(own[name]) for name in _ADDRESSES if isinstance(own.get(name), (str, Path, UPath))))
    try:
        return StudyConfig.model_validate({"name": base, **_of_losses(_preset(base, own), own), **own})
    except ValidationError as error:
        raise ConfigError(one_line(error, file, options, StudyConfig.model_fields, PER_LOSS)) from None


def _preset(name: str, own: Mapping[str, Any]) -> dict[str, Any]:
    """A preset's fields, as they suit one's own: levels make a grid of a search, and a search takes ranges or hours."""
    fields = _read_yaml(PRESETS / f"{name}.yaml")
    if "search" in fields and (own.get("search") == "grid" or _levels_alone(own)):
        fields = {field: value for field, value in fields.items() if field not in _OF_SEARCHES}
    if own.get("hours") is not None:  # time takes the place of a number
        fields.pop("settings", None)
    searches = own.get("search", fields.get("search", "grid")) != "grid"
    normalizing = _normalizing(own, fields["losses"])
    if not searches or ("search" in fields and not normalizing):
        return fields
    if "search" in fields:  # it has rates of its own
        return fields | {"margins": default_ranges("margins", normalizing)}
    return fields | {field: default_ranges(field, normalizing) for field in ("margins", "lrs")}


def _normalizing(own: Mapping[str, Any], losses: Any) -> set[str]:
    """The losses whose embeddings are always normalised, as the model will read it; none of what it will refuse."""
    try:
        read = _Normalize.model_validate({"losses": losses, **own})
    except ValidationError:
        return set()
    return {loss for loss, answers in read.normalize.own if answers == (True,)}


class _Normalize(BaseModel):
    """The part of `StudyConfig` that decides which ranges of margins suit."""

    model_config = ConfigDict(extra="ignore", validate_default=True)

    losses: f.Losses
    normalize: f.AnswersPerLoss = Field(default=USUAL["normalize"])


def _levels_alone(own: Mapping[str, Any]) -> bool:
    """Whether margins are given, and all that is given are levels, to no search of one's own."""
    given = "".join(str(own.get(FIELD_OF[name])) for name in NUMERIC)
    return "margins" in own and "search" not in own and TO not in given


def _of_losses(fields: dict[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
    """Fields without the hyperparameters of losses that are left out of one's own study."""
    losses = f.as_list(own.get("losses", fields.get("losses")))
    kept = {name: fields[name] for name in PER_LOSS if isinstance(fields.get(name), dict)}
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
