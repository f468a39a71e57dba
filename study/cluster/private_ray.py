"""A Ray that belongs to this session alone: it listens on the loopback interface, and asks for the session's own token.

Ray would listen on all addresses of the machine, and whoever reaches one may run code. On a machine with several users
the loopback interface is not enough: hence the token. It is neither written to a file nor seen by other users, whereas
Ray's own file of a token is for everyone to read.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from ray._private import ray_constants

_TOKEN_BYTES = 32


@contextmanager
def private_ray() -> Iterator[None]:
    """A Ray that is started in this block is private. Its processes inherit what is set here."""
    own = {
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN": secrets.token_hex(_TOKEN_BYTES),
        # Off, a node's address is the loopback one, and its servers listen there alone. Where it is on by default, a
        # machine may become part of a cluster of several, which this Ray never does.
        "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
    }
    before = {name: os.environ.get(name) for name in own}
    reachable = ray_constants.ENABLE_RAY_CLUSTER
    os.environ.update(own)
    ray_constants.ENABLE_RAY_CLUSTER = False
    read_authentication_again()
    try:
        yield
    finally:
        ray_constants.ENABLE_RAY_CLUSTER = reachable
        for name, value in before.items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value


def read_authentication_again() -> None:
    """Lets Ray forget the mode and the token that it has read. It reads both once, when it is imported."""
    with suppress(ImportError, AttributeError):  # private: a Ray without them reads what is set before its import
        import ray._raylet as native

        native.Config.initialize("")  # type: ignore[attr-defined]
        native.AuthenticationTokenLoader.instance().reset_cache()  # type: ignore[attr-defined]
