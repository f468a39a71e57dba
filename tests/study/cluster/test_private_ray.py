"""What others on this machine and in its network see of a Ray that a session starts for itself."""

from __future__ import annotations

import ipaddress
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import ray

from study.cluster.connection import ClusterError, connect, disconnect

LISTENING = "0A"


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HOME", str(tmp_path_factory.mktemp("home")))
        connect(None)
        try:
            ray.get(ray.remote(lambda: os.getpid()).remote())  # a worker that listens
            yield ray.get_runtime_context().gcs_address
        finally:
            disconnect()


def descendants(pid: int) -> set[int]:
    """Every process below one."""
    parents = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
            except OSError:  # it has ended
                continue
            parents[int(entry.name)] = int(fields[1])
    found: set[int] = set()
    while more := {child for child, parent in parents.items() if parent in {pid, *found}} - found:
        found |= more
    return found


def sockets_of(pid: int) -> set[str]:
    """Inodes of a process's sockets."""
    try:
        links = [os.readlink(entry) for entry in Path(f"/proc/{pid}/fd").iterdir()]
    except OSError:
        return set()
    return {link[len("socket:[") : -1] for link in links if link.startswith("socket:[")}


def to_address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    """An address from the kernel's hexadecimal words, each of which has its bytes in the machine's order."""
    words = [bytes.fromhex(text[start : start + 8])[::-1] for start in range(0, len(text), 8)]
    found = ipaddress.ip_address(b"".join(words))
    mapped = getattr(found, "ipv4_mapped", None)
    return mapped or found


def test_a_cluster_of_others_is_joined_with_what_the_user_has_set(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: dict[str, object] = {}

    def start(**options: object) -> None:
        seen.update(options, mode=os.environ.get("RAY_AUTH_MODE"), token=os.environ.get("RAY_AUTH_TOKEN"))

    monkeypatch.setattr(ray, "init", start)
    monkeypatch.setenv("RAY_AUTH_MODE", "token")
    monkeypatch.setenv("RAY_AUTH_TOKEN", "theirs")
    connect("auto")
    assert (seen["mode"], seen["token"]) == ("token", "theirs")
    connect(None)
    assert (seen["mode"], seen["token"] != "theirs") == ("token", True)
    assert os.environ["RAY_AUTH_TOKEN"] == "theirs"


@pytest.mark.skipif(sys.platform != "linux", reason="reads Linux's /proc")
def test_a_local_ray_listens_on_the_loopback_interface_alone(address: str) -> None:
    own = set().union(*map(sockets_of, {os.getpid(), *descendants(os.getpid())}))
    listening = []
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == LISTENING and fields[9] in own:
                listening.append(to_address(fields[1].partition(":")[0]))
    assert len(listening) >= 3, "the head, the node and its workers"
    assert all(each.is_loopback for each in listening)
    assert ipaddress.ip_address(address.rpartition(":")[0]).is_loopback


def test_a_local_ray_refuses_whoever_lacks_its_token(address: str) -> None:
    stranger = (
        "import ray._raylet as r\n"
        "try:\n"
        f"    r.GcsClient(address={address!r})\n"
        "except Exception as error:\n"
        "    print(type(error).__name__)\n"
    )
    done = subprocess.run([sys.executable, "-c", stranger], capture_output=True, text=True, timeout=120)
    assert done.stdout.strip() == "AuthenticationError"


@pytest.mark.usefixtures("address")
def test_the_token_stands_in_no_file_and_is_not_left_in_the_environment() -> None:
    assert not (Path.home() / ".ray").exists()
    assert "RAY_AUTH_TOKEN" not in os.environ
    assert "RAY_AUTH_MODE" not in os.environ


@pytest.mark.usefixtures("address")
def test_a_process_that_has_joined_ray_already_keeps_it() -> None:
    with pytest.raises(ClusterError, match="already"):
        connect(None)
    assert ray.get(ray.remote(lambda: 1).remote()) == 1
