"""A training that was interrupted, as bytes: all that it takes to go on as if it had not been.

A snapshot holds tensors, numbers and names, so it is read without running code that others may have put there, and
only if its bytes are those that were written. It goes on for the very pack that it was taken of: its first line names
that pack's fingerprint, as whoever keeps snapshots defines it.
"""

from __future__ import annotations

import hashlib
import io
import json
import pickle
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

Snapshot = dict[str, Any]


class BrokenSnapshotError(ValueError):
    """Bytes that are no whole snapshot, or that of another pack."""


def to_bytes(snapshot: Snapshot, fingerprint: str) -> bytes:
    """A snapshot for a file: a line of JSON with the fingerprint and a digest, then the tensors."""
    buffer = io.BytesIO()
    torch.save(snapshot, buffer)
    body = buffer.getvalue()
    head = {"fingerprint": fingerprint, "digest": _digest(fingerprint, body)}
    return json.dumps(head).encode() + b"\n" + body


def from_bytes(content: bytes, fingerprint: str) -> Snapshot:
    """The snapshot of a file, on the CPU.

    Raises:
        BrokenSnapshotError: If it was cut short or altered, or is that of another fingerprint.
    """
    line, _, body = content.partition(b"\n")
    try:
        head = json.loads(line)
        whole = head["fingerprint"] == fingerprint and head["digest"] == _digest(fingerprint, body)
    except (ValueError, KeyError, TypeError, RecursionError):
        raise BrokenSnapshotError("this is no snapshot") from None
    if not whole:
        raise BrokenSnapshotError("this snapshot was cut short or altered, or is of another pack")
    try:
        snapshot: Snapshot = torch.load(io.BytesIO(body), map_location="cpu", weights_only=True)
    except (RuntimeError, EOFError, pickle.UnpicklingError) as error:
        raise BrokenSnapshotError(f"this snapshot cannot be read: {error}") from None
    return snapshot


def on(device: torch.device | str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Tensors by name, on a device."""
    return {name: tensor.to(device) for name, tensor in tensors.items()}


def _digest(fingerprint: str, body: bytes) -> str:
    return hashlib.sha256(fingerprint.encode() + b"\n" + body).hexdigest()
