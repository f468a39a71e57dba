"""``python -m study``, or ``contrastive-or-triplet``: all commands under one name."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from typing import NoReturn

_HELP = """\
usage: {prog} COMMAND ...

  run       trains what a study lacks, then reports its verdicts
  status    shows how far a study is, and which loss leads so far
  report    makes a study's report again
  sync      fills MLflow from a study's records

examples:
  {prog} run --preset demo
  {prog} status --name demo
  {prog} run --datasets all --plan

{prog} COMMAND --help tells more. Exit status: 0; 1 if something failed on the way; 2 if a command could not start or go
on; 130 or 143 if it was stopped by Ctrl-C or SIGTERM.
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs a command and returns its exit status."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    prog = "python -m study" if sys.argv[0].endswith("__main__.py") else "contrastive-or-triplet"
    command, rest = (given[0], given[1:]) if given else ("", [])
    # Each is imported when it is asked for: some take seconds.
    if command == "run":
        from study.run import main as run

        return run(rest)
    if command == "status":
        return _status(rest)
    if command == "report":
        from analysis.report.__main__ import main as report

        return report(rest)
    if command == "sync":
        from study.sync import main as sync

        return sync(rest)
    if command in ("-h", "--help"):
        print(_HELP.format(prog=prog), end="")
        return 0
    what = f"unknown command {command[:50]!r}" if command else "a command is missing"
    print(f"error: {what}: choose from run, status, report, sync; {prog} --help tells more", file=sys.stderr)
    return 2


def _status(arguments: Sequence[str]) -> int:
    from analysis.masking import guarded_output
    from analysis.plain_text import message_text
    from analysis.store.files import study_folder
    from study.config.loading import ConfigError, environment, load_config
    from study.planning.status import status_lines
    from study.storage.folder import is_folder

    with guarded_output(arguments):
        parser = argparse.ArgumentParser(
            prog="python -m study status",
            description="Shows how far a study is, and which loss leads so far.",
            epilog="Exit status: 0, or 2 if there is no such study.",
        )
        parser.add_argument("--name", required=True, help="of the study")
        parser.add_argument("--storage", help="folder or address of the records (default: results)")
        given = {name: value for name, value in vars(parser.parse_args(arguments)).items() if value is not None}
        try:
            config = load_config(None, None, given, environment())
            if not is_folder(study_folder(config.storage, config.name)):
                raise ConfigError(f"no study {config.name!r} in {config.storage}")
            print("\n".join(status_lines(config)))
        except (ConfigError, OSError, ValueError) as error:
            print(f"error: {message_text(error)}", file=sys.stderr)
            return 2
    return 0


def console() -> NoReturn:
    """The command ``contrastive-or-triplet``."""
    from study.run import leave

    leave(main())


if __name__ == "__main__":
    console()
