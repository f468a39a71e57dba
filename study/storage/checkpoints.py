"""The snapshots of packs in training, from which an interrupted study continues.

Each pack has one file under ``<study>/checkpoints``. The worker that trains the pack writes it, and it is removed when
the pack's record is written. Its fingerprint names the code, the data and the runs that it belongs to. A snapshot with
another fingerprint is not used.
"""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from upath import UPath

_HEAD_BYTES = 1 << 16  # more than the first line of a snapshot has
_LARGEST = 1 << 33  # bytes of a snapshot, where nobody knows what its pack can need
_NAMES = re.compile(r"[\w-]{1,100}")


def fingerprint(keys: Iterable[str], code_version: str, data_digest: str) -> str:
    """What a snapshot depends on: the runs of its pack, the code and the data."""
    return " ".join([code_version, data_digest, *keys])


@dataclass(frozen=True)
class CheckpointFolder:
    """A folder of snapshots. Workers without access to the study's storage do not see it.

    Its methods import `analysis` when they need it: that takes half a second, and each worker imports this module.

    Attributes:
        path: The folder.
        seconds: Time between two snapshots of a pack.
    """

    path: UPath
    seconds: float

    def read(self, name: str, most: int = _LARGEST) -> bytes | None:
        """The content of a snapshot, or None if it cannot be read, or is longer than `most` bytes."""
        path = self.path / name
        try:
            if not path.exists():
                return None
            from analysis.store.files import read_file

            return read_file(path, most)
        except Exception:  # the packages of remote file systems raise errors of many kinds
            return None

    def write(self, name: str, content: bytes) -> None:
        """Replaces a snapshot. If that fails, the previous one stays.

        A worker that does not see the study's folder has no shared storage, and writes nothing.
        """
        # A full disk or an unreachable storage must not end a training that may still be recorded.
        with contextlib.suppress(Exception):
            from analysis.store.files import write_whole

            if isinstance(self.path, Path):
                if not self.path.parent.is_dir():
                    return
                self.path.mkdir(exist_ok=True)
            write_whole(self.path / name, content)

    def remove(self, name: str) -> None:
        """Removes a snapshot."""
        from analysis.store.files import remove_file

        with contextlib.suppress(Exception):
            remove_file(self.path / name)

    def interrupted_packs(self, code_version: str) -> list[Sequence[str]]:
        """The keys of the runs of each pack that has a snapshot of this code."""
        return [keys for _, version, keys in self._snapshots() if version == code_version]

    def clear(self, code_version: str, done: Collection[str]) -> None:
        """Removes what no pack can continue from: partial files, and snapshots of other code or of recorded runs.

        Only the session that holds the study may call this. A worker of a killed session may still be writing. It then
        leaves a complete snapshot or none.

        Args:
            code_version: The version of this code.
            done: Keys of the runs that are recorded.
        """
        from analysis.store.files import PARTIAL, list_files

        with contextlib.suppress(Exception):  # the next session tries again
            for partial in list_files(self.path, PARTIAL):
                self.remove(partial)
        for name, version, keys in self._snapshots():
            if version != code_version or not set(done).isdisjoint(keys):
                self.remove(name)

    def _snapshots(self) -> Iterator[tuple[str, str, list[str]]]:
        """Name, code version and keys of each snapshot that can be read."""
        from analysis.store.files import list_files, read_start

        try:
            names = list_files(self.path, _NAMES)
        except Exception:  # the packs then start from the beginning
            return
        for name in names:
            try:
                line, _, _ = read_start(self.path / name, _HEAD_BYTES).partition(b"\n")
                version, _, *keys = str(json.loads(line)["fingerprint"]).split(" ")
            except Exception:
                continue
            if keys:
                yield name, version, keys
