"""The first fault of a configuration in one line."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterable, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from analysis.masking import hidden
from analysis.plain_text import message_text, name_text
from study.config.per_loss import EVERY
from trainables.datasets.synthetic import SyntheticOptions

_LONGEST_VALUE = 100  # characters of what a message shows


def one_line(
    error: ValidationError,
    file: Path | None,
    options: Mapping[str, Any],
    names: Iterable[str],
    per_loss: Collection[str],
) -> str:
    """What is wrong with a configuration, where, and what was given.

    Args:
        error: Of the model.
        file: The YAML file that was read; None without one.
        options: What the command was given, by field.
        names: All fields of a study.
        per_loss: Those of which each loss may have its own values.
    """
    first = error.errors()[0]
    path = [name for name in first["loc"] if isinstance(name, str)]
    in_file = file is not None and not (path and path[0] in options)
    where = ".".join(path) if path and path[0] in ("synthetic", "rope") else "".join(path[:1])
    of_loss = f" of {path[1]!r}" if len(path) > 1 and path[0] in per_loss and path[1] != EVERY else ""
    if in_file:
        place = f"{file}: {where}{of_loss}: " if where else f"{file}: "
    else:
        option, dot, name = where.partition(".")
        place = f"--{option.replace('_', '-')}{dot and ' '}{name}{of_loss}: " if where else ""
    if first["type"] in ("extra_forbidden", "unexpected_keyword_argument"):
        known = [*names, *(f"synthetic.{field.name}" for field in fields(SyntheticOptions))]
        nearest = difflib.get_close_matches(where, known, n=1)
        hint = f"; did you mean {nearest[0]!r}?" if nearest else ""
        return f"{f'{file}: ' if file else ''}unknown field {where!r}{hint}"
    too_few = first["type"] == "too_short"
    message = "needs at least one value" if too_few else first["msg"].removeprefix("Value error, ")
    message = message.replace("a valid tuple", "a list")
    given = first["input"]
    shown = "" if first["type"] == "value_error" else f" (got {name_text(_short(given), _LONGEST_VALUE)})"
    return message_text(hidden(f"{place}{message[0].lower()}{message[1:]}{shown}"))


def _short(value: object) -> str:
    """A value as Python writes it; an integer may have more digits than Python writes."""
    try:
        return repr(value)
    except ValueError:
        return "a number of thousands of digits"
