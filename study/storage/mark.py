"""What tells a study's folder from any other, also if two machines call theirs by the same name."""

from __future__ import annotations

import hashlib
import re
import secrets

from analysis.store.files import Folder, read_file, write_whole

FILE = ".mark"
_MARK = re.compile("[0-9a-f]{16}")


def folder_mark(folder: Folder) -> str:
    """Sixteen hexadecimal digits, drawn when a session first asks for them, and kept in the folder.

    Only the session that holds the study may call this. Where the folder can be neither read nor written they are
    a hash of its address.
    """
    path = folder / FILE
    try:
        try:
            kept = read_file(path, 16).decode("ascii", "replace")
        except FileNotFoundError:
            kept = ""
        if not _MARK.fullmatch(kept):
            kept = secrets.token_hex(8)
            write_whole(path, kept.encode())
        return kept
    except Exception:  # remote file systems raise errors of many kinds
        return hashlib.sha256(str(folder).encode()).hexdigest()[:16]
