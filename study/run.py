"""``python -m study.run``: runs a study, from its configuration to the verdicts."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from typing import NoReturn

from study.address_space import check_address_space
from study.errors import StudyError


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command and returns its exit status.

    0; 1 if runs failed; 2 if the study could not start or go on; 130 or 143 if it was stopped by Ctrl-C or SIGTERM.
    """
    started = time.monotonic()
    with contextlib.ExitStack() as guard:
        return _guarded(arguments, guard, started)


def _guarded(arguments: Sequence[str] | None, guard: contextlib.ExitStack, started: float) -> int:
    terminated = threading.Event()
    try:
        with _sigterm_as_ctrl_c(terminated):
            status = _run(arguments, guard, started)
        # Where Ray's processes got the signal too, their deaths may have come first, and taken its place.
        return _stopped(143) if terminated.is_set() else status
    except StudyError as error:
        return _stopped(143) if terminated.is_set() else _fail(error)
    except KeyboardInterrupt:
        return _stopped(143 if terminated.is_set() else 130)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # the reader of the output has ended
        return 141
    except MemoryError:
        return _fail("there is no memory left; what is recorded stays: free some, and run the same command again")
    except OSError as error:
        return _fail(f"{error}; what is recorded stays: mend that, and run the same command again")


def _run(arguments: Sequence[str] | None, guard: contextlib.ExitStack, started: float) -> int:
    check_address_space()
    # What takes seconds to import is imported when all that can be said before is said.
    from analysis.masking import guarded_output

    guard.enter_context(guarded_output(sys.argv[1:] if arguments is None else arguments))
    from study.command import read_command
    from study.config.loading import ConfigError

    try:
        config, only_plan = read_command(arguments)
    except ConfigError as error:
        raise StudyError(str(error)) from None
    from study.session import run_study

    status = run_study(config, only_plan, started)
    sys.stdout.flush()
    return status


@contextlib.contextmanager
def _sigterm_as_ctrl_c(terminated: threading.Event) -> Iterator[None]:
    """SIGTERM raises `KeyboardInterrupt` as well, and sets an event. Handlers can be set in the main thread alone."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def terminate(signum: int, frame: object) -> NoReturn:
        terminated.set()
        raise KeyboardInterrupt

    previous = signal.signal(signal.SIGTERM, terminate)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, previous)


def _stopped(status: int) -> int:
    print("\nstopped; the same command goes on from what is recorded", file=sys.stderr)
    return status


def _fail(error: object) -> int:
    print(f"error: {error}", file=sys.stderr)
    return 2


def leave(status: int) -> NoReturn:
    """Ends the process at once. All files are written, and unloading torch, Ray and MLflow would take seconds."""
    with contextlib.suppress(OSError, ValueError):  # the reader of the output has ended
        sys.stderr.flush()
    os._exit(status)


if __name__ == "__main__":
    leave(main())
