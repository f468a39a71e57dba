"""Whether a limit on this process's address space leaves room for PyTorch and Ray, which end in odd ways without it."""

from __future__ import annotations

import os
import sys

from study.errors import StudyError

_LIBRARIES = 4 << 30  # bytes that PyTorch and Ray map, most of which they never touch
_OBJECT_STORE_SHARE = 0.3  # of the machine's memory: what Ray maps for its object store


def check_address_space() -> None:
    """Fails early where the libraries would fail late, in many words.

    Raises:
        StudyError: If ``ulimit -v`` is too small.
    """
    if sys.platform == "win32":
        return
    import resource

    limit, _ = resource.getrlimit(resource.RLIMIT_AS)
    needed = _LIBRARIES + _OBJECT_STORE_SHARE * os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    if limit != resource.RLIM_INFINITY and limit < needed:
        raise StudyError(
            f"this process may map {_gib(limit)} GiB of addresses (ulimit -v), and PyTorch and Ray's object store need "
            f"about {_gib(needed)} here, most of it never used: raise that limit (ulimit -v unlimited), and limit the "
            "memory itself by other means (a control group)"
        )


def _gib(count: float) -> str:
    return f"{count / 2**30:.1f}"
