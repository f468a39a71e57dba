"""Plans and runs a study by a call. What takes seconds to import, PyTorch and pandas too, is imported by the call."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from study.address_space import check_address_space
from study.errors import StudyError

if TYPE_CHECKING:
    from study.config.model import StudyConfig
    from study.notebook.result import StudyResult
    from study.notebook.speech import PythonVoice


@dataclass(frozen=True)
class Plan:
    """What a study would train and test. Printed, or shown by a notebook, it is the text of the command's ``--plan``.

    Attributes:
        config: The study.
        text: The plan, in lines.
    """

    config: StudyConfig
    text: str

    def __str__(self) -> str:
        """Its text."""
        return self.text

    __repr__ = __str__


def study_config(preset: str | None = None, config: str | Path | None = None, **fields: Any) -> StudyConfig:
    """Reads the configuration of a study as the command does: later ones override earlier ones.

    Args:
        preset: Name of a preset; `DEFAULT_PRESET` if not given.
        config: YAML file with fields of `StudyConfig`.
        fields: Fields of `StudyConfig`: ``seeds=5``, ``margins=[0.5, 1]``, ``margins={"triplet": [1, 2], ...}``.

    Raises:
        ConfigError: With one line about the first fault.

    Examples:
        >>> study_config("demo", name="mine", datasets="digits", margins=[0.5, 1, 2], seeds=8).budget
        3
    """
    from study.config.loading import ConfigError, environment, load_config
    from study.notebook.speech import in_python

    try:
        return load_config(preset, None if config is None else Path(config), fields, environment())
    except ConfigError as error:
        raise ConfigError(in_python(str(error))) from None


def plan_study(preset: str | StudyConfig | None = None, config: str | Path | None = None, **fields: Any) -> Plan:
    """What a study would train and test, how long that takes, and what is missing. Trains nothing.

    Args:
        preset: Name of a preset, or a `StudyConfig`, which stands alone.
        config: As for `study_config`.
        fields: Likewise.

    Raises:
        ConfigError: As `study_config` does.
        StudyError: If the study could not start.

    Warns:
        StudyWarning: Of what makes its verdicts weak, or its training long.
    """
    from study.notebook.speech import PythonVoice

    study = _study_of(preset, config, fields)
    voice = PythonVoice(sys._getframe(1))
    _hold_session(study, voice, only_plan=True)
    return Plan(study, "\n".join(voice.said))


def run_study(preset: str | StudyConfig | None = None, config: str | Path | None = None, **fields: Any) -> StudyResult:
    """Trains the runs that a study lacks, records them and writes the report, as the command does.

    Again, it goes on from what is recorded: after an interrupt, or with more seeds, margins or datasets under the same
    name; ``extend=True`` adds other runs to a study. Ray is started and ended. A notebook shows a bar, a script the
    command's lines of progress on standard error. If Ray's head dies, Ray ends this process too, within a minute
    of a warning; what is recorded stays.

    Args:
        preset: Name of a preset, or a `StudyConfig`, which stands alone.
        config: As for `study_config`.
        fields: Likewise.

    Returns:
        The study's tables, and what failed on the way.

    Raises:
        ConfigError: As `study_config` does.
        StudyError: If the study cannot start or go on. What is recorded stays.
        KeyboardInterrupt: If it is interrupted. What is recorded stays, and packs in training have their snapshots.

    Warns:
        StudyWarning: Of what makes its verdicts weak, and of what failed on the way.
    """
    from study.notebook.result import StudyResult
    from study.notebook.speech import PythonVoice

    study = _study_of(preset, config, fields)
    voice = PythonVoice(sys._getframe(1))
    _hold_session(study, voice)
    return StudyResult(study, tuple(voice.failures), "\n".join(voice.said))


def _study_of(preset: str | StudyConfig | None, config: str | Path | None, fields: dict[str, Any]) -> StudyConfig:
    from study.config.loading import ConfigError
    from study.config.model import StudyConfig

    if not isinstance(preset, StudyConfig):
        return study_config(preset, config, **fields)
    if config is not None or fields:
        given = ["config"] * (config is not None) + list(fields)
        raise ConfigError(f"a StudyConfig stands alone: give {', '.join(given)} to study_config(...) instead")
    return preset


def _hold_session(config: StudyConfig, voice: PythonVoice, only_plan: bool = False) -> None:
    ended = _end_of_session(config, voice, only_plan)
    if ended is not None:
        # Raised here, it holds no frame of the session, and so no object of Ray's.
        raise ended


def _end_of_session(config: StudyConfig, voice: PythonVoice, only_plan: bool) -> BaseException | None:
    """What ended a session early; None if it came to its end."""
    from analysis.masking import learn_environment
    from study.notebook.speech import in_python

    started = time.monotonic()
    learn_environment()
    again = "what is recorded stays: mend that, and run the same call again"
    try:
        check_address_space()
        from study import session

        with _environment_kept():
            session.run_study(config, only_plan, started, voice)
    except StudyError as error:
        why = str(error)
    except KeyboardInterrupt:
        return KeyboardInterrupt("stopped; the same call goes on from what is recorded")
    except MemoryError:
        why = f"there is no memory left; {again}"
    except OSError as error:
        why = f"{error}; {again}"
    else:
        return None
    return StudyError(in_python(why))


@contextmanager
def _environment_kept() -> Iterator[None]:
    """Takes back what a session sets for Ray in the environment of this process, which others use too."""
    before = dict(os.environ)
    try:
        yield
    finally:
        for name in os.environ.keys() - before.keys():
            del os.environ[name]
        os.environ.update(before)
