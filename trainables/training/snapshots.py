"""Snapshots of an unfinished training, as bytes, from which it continues as if it had never stopped.

A snapshot holds tensors, numbers and names only, so reading it runs no foreign code. Its first line names the
fingerprint of its pack and a digest. It is read only for a pack with this fingerprint, and only if it is undamaged.
"""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from trainables.datasets.files.tensors import is_zip, load_tensors
from trainables.networks.encoders import make_encoder
from trainables.pack import Pack

Snapshot = dict[str, Any]


class BrokenSnapshotError(ValueError):
    """The bytes are no snapshot, a damaged one, or one of another pack."""


def to_bytes(snapshot: Snapshot, fingerprint: str) -> bytes:
    """A snapshot as bytes: a line of JSON with the fingerprint and a digest, then the tensors.

    Args:
        snapshot: Tensors, numbers and names.
        fingerprint: Identifies the pack and everything that its result depends on.
    """
    buffer = io.BytesIO()
    torch.save(snapshot, buffer)
    body = buffer.getvalue()
    head = {"fingerprint": fingerprint, "digest": _digest(fingerprint, body)}
    return json.dumps(head).encode() + b"\n" + body


def from_bytes(content: bytes, fingerprint: str) -> Snapshot:
    """The snapshot from the result of `to_bytes`, on the CPU.

    Raises:
        BrokenSnapshotError: If it was cut short or altered, or has another fingerprint.
    """
    line, _, body = content.partition(b"\n")
    try:
        head = json.loads(line)
        intact = head["fingerprint"] == fingerprint and head["digest"] == _digest(fingerprint, body)
    except (ValueError, KeyError, TypeError, RecursionError):
        raise BrokenSnapshotError("this is no snapshot") from None
    if not intact:
        raise BrokenSnapshotError("this snapshot was cut short or altered, or is of another pack")
    try:
        if not is_zip(body):
            raise ValueError("it is of no format of these snapshots")
        snapshot: Snapshot = load_tensors(body)
    except Exception as error:  # a broken or foreign file may cause any exception
        raise BrokenSnapshotError(f"this snapshot cannot be read: {error}") from None
    return snapshot


def most_bytes(pack: Pack, input_shape: tuple[int, ...]) -> int:
    """More bytes than any snapshot of a pack has, and few enough to be read.

    It holds for each member the parameters and two means of their gradients, a hundred metrics of each epoch at most,
    and a sketch.

    Args:
        pack: The pack.
        input_shape: Shape of a sample of its dataset.
    """
    structure, members = pack.structure, len(pack.members)
    encoder = make_encoder(structure.encoder, input_shape, structure.embedding_dim)
    parameters = sum(values.numel() for values in encoder.initialise(torch.Generator()).values())
    history = 100 * (structure.epochs + 1) * (8 * members + 64)
    return 2 * (3 * 4 * parameters * members + history) + (members << 16) + (1 << 18)


def to_device(tensors: Mapping[str, Tensor], device: torch.device | str) -> dict[str, Tensor]:
    """The same tensors on a device."""
    return {name: tensor.to(device) for name, tensor in tensors.items()}


def of_members(snapshot: Snapshot, members: slice) -> Snapshot:
    """The part of a snapshot of `train_pack` that belongs to some of its members."""
    history = snapshot["history"]
    own_history = {
        "keys": history["keys"],
        "values": history["values"][:, members],
        "diverged": history["diverged"][members],
        "sketches": history["sketches"][members],
    }
    others = {name: _rows(state, members) for name, state in snapshot.items() if name not in ("epoch", "history")}
    return {"epoch": snapshot["epoch"], "history": own_history, **others}


def _rows(state: Tensor | Mapping[str, Tensor], members: slice) -> Any:
    """The rows of some members: all tensors but those of a history begin with the members."""
    if isinstance(state, Tensor):
        return state[members]
    return {name: tensor[members] for name, tensor in state.items()}


def _digest(fingerprint: str, body: bytes) -> str:
    return hashlib.sha256(fingerprint.encode() + b"\n" + body).hexdigest()
