"""A process that may map few addresses says so, whatever would fail first."""

from __future__ import annotations

import resource
import subprocess
import sys

import pytest

from study.address_space import check_address_space
from study.errors import StudyError


@pytest.mark.parametrize("gib", [1, 3])
def test_a_command_with_too_few_addresses_is_one_line(gib: int) -> None:
    done = subprocess.run(
        ["bash", "-c", f"ulimit -v {gib << 20} && exec {sys.executable} -m study.run --preset demo --plan"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert done.stderr.startswith(f"error: this process may map {gib}.0 GiB of addresses (ulimit -v), and PyTorch and")
    assert done.stderr.count("\n") == 1


def test_the_object_store_of_a_large_machine_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _: (64 << 30, 64 << 30))
    for gib, fits in ((128, True), (256, False)):
        monkeypatch.setattr("os.sysconf", {"SC_PHYS_PAGES": gib << 18, "SC_PAGE_SIZE": 4096}.__getitem__)
        if fits:
            check_address_space()
        else:
            with pytest.raises(StudyError, match=r"about 80\.8 here"):
                check_address_space()
