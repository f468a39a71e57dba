"""Says to people what others may have written: names, messages and cells that cannot act on what shows them."""

from __future__ import annotations

import hashlib
import re
import unicodedata

import pandas as pd

NAME = 120  # characters of a name
MESSAGE = 1000  # of a whole message
_HASHED = 6  # hexadecimal digits that tell long names apart
_FORMULA = "=+-@\t\r\uff1d\uff0b\uff0d\uff20"  # what makes a spreadsheet compute a cell, the wide forms too
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")


def name_text(name: object, longest: int = NAME) -> str:
    """A name in one line of bounded length. What cannot be seen is written as Python writes it.

    Of two long names that begin alike, the ends tell them apart.
    """
    text = _all_seen(str(name)[: longest + 1])
    if len(text) <= longest:
        return text
    digest = hashlib.sha256(str(name).encode(errors="surrogatepass")).hexdigest()[:_HASHED]
    return f"{text[: longest - _HASHED - 1]}\u2026{digest}"


def message_text(message: object, longest: int = MESSAGE) -> str:
    """A message of others in one line of bounded length; line breaks in it become blanks."""
    text = _all_seen(" ".join(str(message)[: 4 * longest].split()))
    return text if len(text) <= longest else f"{text[: longest - 1]}\u2026"


def lines_text(text: str) -> str:
    """A text of several lines in which nothing but its line breaks and tabs is unseen."""
    return "\n".join("\t".join(map(_all_seen, line.split("\t"))) for line in text.split("\n"))


def terminal_text(text: str) -> str:
    """What a program writes to a terminal: its colours and its progress bar stay, other control characters do not.

    A bar begins with a carriage return and ends with the sequence that clears the rest of its line.
    """
    bar = "\r" if text.startswith("\r") else ""
    body = text.removeprefix("\r")
    ends = next((end for end in ("\x1b[K\n", "\x1b[K") if bar and body.endswith(end)), "")
    body = body.removesuffix(ends)
    parts, end = [bar], 0
    for colour in _COLOUR.finditer(body):
        parts += [lines_text(body[end : colour.start()]), colour.group()]
        end = colour.end()
    return "".join([*parts, lines_text(body[end:]), ends])


def markdown_text(text: str) -> str:
    """A text that Markdown shows and does not take for a link, a picture or HTML."""
    return re.sub(r"<(?=[A-Za-z/!?])", "&lt;", lines_text(text)).replace("](", "]\\(")


def csv_table(table: pd.DataFrame) -> str:
    """A table as CSV that a spreadsheet shows and does not compute: numbers stay numbers, texts are made safe."""
    safe = table.copy()
    for position, column in enumerate(safe.columns):
        if not pd.api.types.is_numeric_dtype(safe.dtypes.iloc[position]):
            safe.isetitem(position, [_cell(value) for value in safe[column]])
    safe.columns = pd.Index([_cell(column) for column in safe.columns])
    return str(safe.to_csv(index=False))


def _cell(value: object) -> object:
    if not isinstance(value, str):
        return value
    text = _all_seen(value)
    return f"'{text}" if value[:1] and value[0] in _FORMULA and not _is_number(text) else text


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return text.isascii() and text == text.strip()


def _all_seen(text: str) -> str:
    return text if text.isprintable() else "".join(map(_seen, text))


def _seen(letter: str) -> str:
    if letter.isprintable() or unicodedata.category(letter) == "Zs":
        return letter
    return letter.encode("unicode_escape", "surrogatepass").decode()
