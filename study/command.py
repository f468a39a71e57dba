"""The options of ``python -m study.run``, and the study that they describe."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from study.config.hyperparameters import PER_LOSS
from study.config.loading import DEFAULT_PRESET, environment, load_config, preset_names
from study.config.model import ANSWERS, LIST_OPTIONS, SWITCHES, StudyConfig

# The fields of `StudyConfig`, as ``--help`` lists them.
SECTIONS: dict[str, tuple[str, ...]] = {
    "the study": ("name", "extend", "seeds", "most_runs"),
    "data and encoders": (
        *("datasets", "encoder", "weights", "split", "image_size", "augment", "synthetic"),
        *("data_root", "cache", "download", "skip_missing"),
    ),
    "losses and what each of them tries": ("losses", *PER_LOSS),
    "searching instead of a grid": ("search", "settings", "hours", "halving", "rungs", "factor"),
    "training": ("epochs", "sampler", "samples_per_class", "evaluate_every"),
    "results": ("storage", "tracking_uri", "live_seconds", "rope"),
    "the machines": ("address", "pack_size", "gpus_per_pack", "checkpoint_seconds"),
}
_EPILOG = """\
examples:
  python -m study.run --preset demo
  python -m study.run --datasets digits folder:~/photos --seeds 15 --plan
  python -m study.run --name own --miners all hard --lrs 1e-3,3e-4
  python -m study.run --name found --search tpe --settings 32 --halving

exit status: 0; 1 if runs failed or something is missing in MLflow or the report; 2 if the study could not start or go
on; 130 or 143 if it was stopped by Ctrl-C or SIGTERM. What is recorded stays, and the same command goes on from there.
"""


def read_command(arguments: Sequence[str] | None = None) -> tuple[StudyConfig, bool]:
    """The study that a command asks for, and whether it asks for the plan alone.

    Args:
        arguments: Of the command, by default those of this process.

    Raises:
        ConfigError: If they describe no study.
        SystemExit: If an option is unknown, with one line; or after ``--help``.
    """
    options = vars(command_parser().parse_args(arguments))
    preset, file, only_plan = options.pop("preset"), options.pop("config"), options.pop("plan")
    given = {name: value for name, value in options.items() if value is not None}
    given |= {name: ["true"] for name in ANSWERS if given.get(name) == []}
    return load_config(preset, file, given, environment()), only_plan


def command_parser() -> argparse.ArgumentParser:
    """Reads options; each field of `StudyConfig` is one."""
    parser = LineParser(
        prog="python -m study.run",
        usage="%(prog)s [--preset NAME] [--config FILE.yaml] [--plan] [options]",
        description="Compares losses for embeddings: trains the runs that a study lacks, then reports verdicts.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--preset", metavar="NAME", help=f"{', '.join(preset_names())} (default: {DEFAULT_PRESET})")
    parser.add_argument("--config", type=Path, metavar="FILE.yaml", help="fields of a study; options override it")
    parser.add_argument("--plan", action="store_true", help="print the plan and stop")
    for title, names in SECTIONS.items():
        section = parser.add_argument_group(title)
        for name in names:
            _add_option(section, name)
    return parser


def _add_option(section: argparse._ArgumentGroup, name: str) -> None:
    if name in SWITCHES:
        section.add_argument(_flag(name), action=argparse.BooleanOptionalAction, help=_help(name))
    elif name in ANSWERS:
        section.add_argument(_flag(name), nargs="*", metavar="ANSWER", help=_help(name))
        section.add_argument(
            f"--no-{_flag(name)[2:]}", dest=name, action="store_const", const=["false"], help="the same as false"
        )
    elif name in LIST_OPTIONS:
        section.add_argument(_flag(name), nargs="+", metavar=_singular(name).upper(), help=_help(name))
    else:
        section.add_argument(_flag(name), metavar=name.upper(), help=_help(name))


class LineParser(argparse.ArgumentParser):
    """Says in one line what is wrong with a command."""

    def error(self, message: str) -> NoReturn:
        """Prints one line, as all other errors do."""
        self.exit(2, f"error: {message}; --help lists the options\n")


def _flag(name: str) -> str:
    return f"--{name.replace('_', '-')}"


def _singular(name: str) -> str:
    return name.removesuffix("es" if name.endswith("sses") else "s")


def _help(name: str) -> str:
    return str(StudyConfig.model_fields[name].description).replace("%", "%%")
