"""Reads YAML that others may have written: within limits, and every fault is one line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from analysis.limits import raised, remedy
from analysis.plain_text import message_text

MOST_BYTES = 1_000_000
MOST_DEPTH = 20
_STACK = 500  # levels, beyond which reading takes more of the stack than there may be
_LONGEST_NUMBER = 100  # characters; a longer integer takes ever longer to read, and cannot be written out
# A date that does not exist is a `ValueError`, a text that is tagged as one an `AttributeError`; numbers out of range
# are others.
_FAULTS = (yaml.YAMLError, ValueError, ArithmeticError, TypeError, LookupError, AttributeError, RecursionError)


class YamlError(ValueError):
    """What is wrong with a YAML file, in one line without the file's name."""


def read_yaml(path: str | Path) -> object:
    """The content of a YAML file. Aliases are refused: a few lines of them unfold to more than any memory holds.

    Raises:
        YamlError: If the file is no YAML, holds an alias or an impossible number, or is larger or deeper than allowed.
        OSError: If it cannot be read.
    """
    most = raised(MOST_BYTES)
    with Path(path).open("rb") as file:
        content = file.read(most + 1)
    if len(content) > most:
        raise YamlError(f"is larger than {most / 1e6:g} MB: {remedy()}")
    try:
        text = content.decode("utf-8")
        _check_shape(text)
        return yaml.load(text, _Loader)
    except YamlError:
        raise
    except _FAULTS as error:
        raise YamlError(f"is not YAML: {message_text(error, 300)}") from None


def _check_shape(text: str) -> None:
    deepest, depth = min(raised(MOST_DEPTH), _STACK), 0
    for event in yaml.parse(text, _Base):
        if isinstance(event, yaml.AliasEvent):
            line = _line(event)
            raise YamlError(f"line {line}: aliases such as *{event.anchor} are not read: write the values out")
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > deepest:
            raise YamlError(f"line {_line(event)}: is nested more than {deepest} deep: {remedy()}")


def _line(place: Any) -> int:
    return int(place.start_mark.line) + 1


# libyaml is many times as fast, where it is there.
_Base: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class _Loader(_Base):  # type: ignore[misc]
    """Safe, and without integers that would take for ever."""


def _integer(loader: Any, node: Any) -> int:
    if len(node.value) > _LONGEST_NUMBER:
        raise YamlError(f"line {_line(node)}: an integer has more than {_LONGEST_NUMBER} digits")
    return int(loader.construct_yaml_int(node))


def _number(loader: Any, node: Any) -> float:
    if len(node.value) > _LONGEST_NUMBER:
        raise YamlError(f"line {_line(node)}: a number has more than {_LONGEST_NUMBER} digits")
    return float(loader.construct_yaml_float(node))


_Loader.add_constructor("tag:yaml.org,2002:int", _integer)
_Loader.add_constructor("tag:yaml.org,2002:float", _number)
