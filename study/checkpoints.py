"""Where the snapshots of packs in training lie, so that an interrupted study trains little of them again.

One file a pack under ``<study>/checkpoints``, written by the worker that trains it and removed when its record is
there. Its fingerprint tells the code, the data and the runs that it belongs to; for others it does not exist.
"""

from __future__ import annotations

import contextlib
import json
import uuid
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from upath import UPath

_HEAD_BYTES = 1 << 16  # more than the first line of a snapshot has


def fingerprint(keys: Iterable[str], code_version: str, data_digest: str) -> str:
    """What a snapshot depends on: the runs of its pack, the code and the data."""
    return " ".join([code_version, data_digest, *keys])


@dataclass(frozen=True)
class CheckpointFolder:
    """A folder of snapshots that the workers see, or that does not exist for them.

    Attributes:
        path: The folder.
        seconds: Between two snapshots of a pack.
    """

    path: UPath
    seconds: float

    def read(self, name: str) -> bytes | None:
        """What was kept under a name; None if nothing can be read."""
        try:
            return (self.path / name).read_bytes()
        except Exception:  # the packages of remote file systems raise what they like
            return None

    def write(self, name: str, content: bytes) -> None:
        """Keeps bytes in place of what was there; where that fails, what was there stays.

        A worker that does not find the study's folder sees no shared storage, and keeps nothing.
        """
        partial = self.path / f".{name}.{uuid.uuid4().hex}"
        try:
            if isinstance(self.path, Path):
                if not self.path.parent.is_dir():
                    return
                self.path.mkdir(exist_ok=True)
            partial.write_bytes(content)
            partial.replace(self.path / name) if isinstance(partial, Path) else partial.rename(self.path / name)
        except Exception:  # a full disk, or storage that is away, must not end a training that may still be recorded
            with contextlib.suppress(Exception):
                partial.unlink(missing_ok=True)

    def remove(self, name: str) -> None:
        """Forgets a pack."""
        with contextlib.suppress(Exception):
            (self.path / name).unlink(missing_ok=True)

    def begun(self, code_version: str) -> list[Sequence[str]]:
        """The keys of the runs of each pack that this code has a snapshot of."""
        return [keys for _, version, keys in self._snapshots() if version == code_version]

    def clear(self, code_version: str, done: Collection[str]) -> None:
        """Removes what nobody goes on from: half-written files, and snapshots of other code or of runs that are done.

        For the session that holds the study. A worker that a killed one left behind may still be writing: what it
        writes is then a whole snapshot, or nothing.

        Args:
            code_version: This code's.
            done: Keys of the runs that are recorded.
        """
        with contextlib.suppress(Exception):  # what cannot be removed now is removed another time
            for partial in self.path.glob(".*"):
                self.remove(partial.name)
        for name, version, keys in self._snapshots():
            if version != code_version or not set(done).isdisjoint(keys):
                self.remove(name)

    def _snapshots(self) -> Iterator[tuple[str, str, list[str]]]:
        """Name, code version and keys of each snapshot that can be read."""
        try:
            files = sorted(self.path.glob("[!.]*"), key=str)
        except Exception:  # whatever was begun is then trained from its beginning
            return
        for file in files:
            try:
                with file.fs.open(file.path, "rb", cache_type="none") as stream:  # its head, and no more than that
                    line, _, _ = stream.read(_HEAD_BYTES).partition(b"\n")
                version, _, *keys = str(json.loads(line)["fingerprint"]).split(" ")
            except Exception:
                continue
            if keys:
                yield file.name, version, keys
