"""Keeps passwords and tokens out of whatever is shown.

Two ways together: addresses, and values beside names such as ``password``, are recognised in any text; and the secrets
of the addresses that a command was given are known, so that they are found wherever they stand, though a password may
hold blanks or signs of addresses.
"""

from __future__ import annotations

import contextlib
import os
import re
import sys
import traceback
from collections.abc import Iterable, Iterator, Mapping
from types import TracebackType
from typing import Any, TextIO, cast
from urllib.parse import quote, quote_plus, unquote, unquote_plus

from analysis.plain_text import terminal_text

MASK = "***"
_SHORTEST = 4  # characters of a secret that is looked for anywhere; a shorter one is masked in addresses alone
# Whose sole user is a name that people know. Elsewhere it may be a token.
_NAMED_USERS = ("postgresql", "postgres", "mysql", "mariadb", "mssql", "oracle")
_CERTAIN = (
    r"(?:pass(?:word|wd|phrase|code)|pwd|token|secret|credentials?|authorization|jwt|bearer|"
    r"(?:api|access|account|private|shared|secret|session)[-_.]?key(?:[-_.]?id)?)"
)
_SECRET = rf"(?:{_CERTAIN}|pass|sig(?:nature)?|auth|key(?:[-_.]?id)?|sas|code)"
# In quotes, which a backslash may stand before, or in one word. A quote that does not end takes the rest of its line.
_VALUE = (
    r"(?:(?P<quote>\\*['\"])(?:\\.|[^\n])*?(?P<end>(?P=quote)|(?=\n)|\Z)|"
    r"(?P<word>(?:(?:Bearer|Basic|Digest|Token)[ \t]+)?[^&;#\s'\"<>]+))"
)
_NAMED = re.compile(
    r"(?P<before>(?:[?&;#\s'\"({,[]|^)"
    rf"(?:(?P<name>[\w.%-]*{_SECRET})\s*=\s*|[\w.%-]*{_CERTAIN}\\*['\"]\s*[:=]\s*|"
    # Without quotes, a colon may follow any word, and `ExpiredToken:` begins the message of an error.
    rf"(?:[\w.%-]*[-_.])?{_CERTAIN}[ \t]*:(?!//)[ \t]*)){_VALUE}",
    re.IGNORECASE,
)
# A key or a code, nobody says for what, is no secret where it is a small number.
_HARMLESS = re.compile(r"\d{1,4}[,.:)\]}]*")
_UNCERTAIN = re.compile(r"(?:key|code)$", re.IGNORECASE)
_ENDS_CERTAIN = re.compile(rf"{_CERTAIN}$", re.IGNORECASE)
_USERINFO = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://([^\s'\"<>]*)@")
_WHOLE_PARAMETER = re.compile(rf"[?&;#]([\w.%-]*{_SECRET})=([^&;#]*)", re.IGNORECASE)
_VARIABLE = re.compile(rf"{_SECRET}", re.IGNORECASE)
_ADDRESSES = ("MLFLOW_TRACKING_URI", "MLFLOW_REGISTRY_URI", "RAY_ADDRESS", "AWS_ENDPOINT_URL", "FSSPEC_S3_ENDPOINT_URL")
_PORT = re.compile(r"\d{1,5}/")
_PATHS = re.compile(r"(?:FILE|PATH|DIR|CREDENTIALS|(?:TLS|SSL)\w*KEY)$", re.IGNORECASE)  # may name a file
_OURS = re.compile(r"(AWS|MLFLOW|RAY|GOOGLE|GCP|AZURE|S3|PG|FSSPEC|DATABASE)", re.IGNORECASE)

_known: set[str] = set()


def learn(*addresses: object) -> None:
    """Has the secrets of addresses masked from now on, wherever they stand in a text.

    Args:
        addresses: Each a whole address, or what may be one.
    """
    for address in addresses:
        for secret in _secrets(str(address)):
            _learn_secret(secret)


def with_scheme(address: object) -> str:
    """An address whose scheme was left out, as in ``me:password@host:6379``, in the form in which it can be learnt."""
    text = str(address)
    return text if "://" in text or "@" not in text else f"ray://{text}"


def learn_environment(variables: Mapping[str, str] = os.environ) -> None:
    """Has the secrets masked that stores and Ray take from the environment."""
    learn(*(variables[name] for name in _ADDRESSES if name in variables))
    for name, value in variables.items():
        if (
            _OURS.match(name)
            and _VARIABLE.search(name)
            and len(value.strip()) >= 2 * _SHORTEST
            and not (value.startswith("/") and _PATHS.search(name))
        ):
            _learn_secret(value)


def forget() -> None:
    """Forgets all secrets that were learnt."""
    _known.clear()


def hidden(text: str) -> str:
    """A text without the secrets of addresses, neither those that were learnt nor those that can be recognised."""
    for secret in sorted(_known, key=len, reverse=True):
        text = text.replace(secret, MASK)
    return hidden_in_addresses(text)


def hidden_in_addresses(text: str) -> str:
    """A text without what can be recognised as a secret: for what must stay the same whatever secrets were learnt."""
    if "://" in text:
        text = _USERINFO.sub(_masked_user, text)
    return _NAMED.sub(_masked_value, text) if "=" in text or ":" in text else text


def _learn_secret(secret: str) -> None:
    """Has a secret masked in every form in which it may be shown."""
    for form in (secret, unquote(secret), unquote_plus(secret), quote(secret), quote(secret, ""), quote_plus(secret)):
        _known.update(each for each in (form, repr(form)[1:-1]) if len(each.strip()) >= _SHORTEST)


def _secrets(address: str) -> Iterator[str]:
    """What of a whole address nobody may see."""
    scheme, sign, rest = address.partition("://")
    if not sign:
        return
    for parameter in _WHOLE_PARAMETER.finditer(rest):
        yield parameter[2]
    # A password may hold any sign: it ends at the last "@" that can end it, and perhaps at an earlier one.
    ends = [position for position, letter in enumerate(rest) if letter == "@"]
    for end in {*ends[:1], *ends[-1:]}:
        user, colon, password = rest[:end].partition(":")
        if colon:
            yield password
            if len(password.strip()) < _SHORTEST and not _is_named(scheme):  # a token may stand before no password
                yield from (user, rest[:end])
        elif "/" in user:  # a path that holds an "@", but for a server's, where nobody can tell
            yield from [user] * scheme.lower().startswith("http")
        elif not _is_named(scheme) or "@" in user:
            yield user


def _is_named(scheme: str) -> bool:
    return scheme.lower().partition("+")[0] in _NAMED_USERS


def _masked_user(found: re.Match[str]) -> str:
    scheme, userinfo = found[1], found[2]
    user, colon, password = userinfo.partition(":")
    if colon and "/" not in user:
        if scheme.lower() in ("http", "https") and _PORT.match(password):  # a server, and a path that holds an "@"
            return f"{scheme}://{user}:" + _USERINFO.sub(_masked_user, f"{password}@")
        is_token = userinfo.endswith(":") and not _is_named(scheme)
        return f"{scheme}://{MASK if is_token else user}:{MASK}@"
    if "/" in userinfo and "://" not in userinfo and not colon:  # a path or a query that holds an "@"
        return found[0]
    return found[0] if _is_named(scheme) and "@" not in userinfo else f"{scheme}://{MASK}@"


def _masked_value(found: re.Match[str]) -> str:
    name, word = found["name"] or "", found["word"] or ""
    if _HARMLESS.fullmatch(word) and _UNCERTAIN.search(name) and not _ENDS_CERTAIN.search(name):
        return found[0]
    return f"{found['before']}{found['quote'] or ''}{MASK}{found['end'] or ''}"


class _Guarded:
    """A stream to a terminal or a file, through which neither secrets nor control characters go."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        self._stream.write(terminal_text(hidden(text)))
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def _say_error(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    _Guarded(sys.stderr).write("".join(traceback.format_exception(kind, error, trace)))


@contextlib.contextmanager
def guarded_output(arguments: Iterable[str]) -> Iterator[None]:
    """Guards standard output and standard error while a command runs, and learns the secrets that it is given.

    Args:
        arguments: Of the command.
    """
    learn_environment()
    for argument in arguments:
        learn(argument, argument.partition("=")[2])
    sys.excepthook = _say_error  # an error that nobody catches is said when this block has ended
    before = sys.stdout, sys.stderr
    sys.stdout, sys.stderr = (cast(TextIO, _Guarded(stream)) for stream in before)
    try:
        yield
    finally:
        sys.stdout, sys.stderr = before
