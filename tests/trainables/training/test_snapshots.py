"""Training that stops and continues, and damaged snapshots."""

from __future__ import annotations

import hashlib
import io
import json
import pickle
import zipfile
from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.trainables.test_invariants import ALONE, DIGITS, OTHERS, points
from trainables.datasets.registry import load_vectors
from trainables.pack import Member, Pack
from trainables.training.loop import train_pack
from trainables.training.snapshots import BrokenSnapshotError, Snapshot, from_bytes, most_bytes, to_bytes

SHORT = replace(DIGITS, epochs=4, evaluate_every=2)
TWO_RATES = (ALONE, OTHERS[0], Member(margin=0.3, lr=1e-2, seed=5))


def interrupted(pack: Pack, at: int) -> bytes:
    snapshots: list[bytes] = []

    def on_epoch(epoch: int, snapshot: Callable[[], Snapshot]) -> None:
        if epoch == at:
            snapshots.append(to_bytes(snapshot(), "pack"))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train_pack(pack, load_vectors("digits"), on_epoch=on_epoch)
    return snapshots[0]


@pytest.mark.parametrize("miner", ["semihard", "random"])
@pytest.mark.parametrize("at", [0, 1, 3, 4])
def test_a_resumed_training_gives_the_same_result_as_without_the_stop(at: int, miner: str) -> None:
    torch.set_num_threads(1)
    pack = Pack(replace(SHORT, miner=miner), TWO_RATES)
    reached: list[int] = []
    resumed = train_pack(
        pack,
        load_vectors("digits"),
        on_epoch=lambda epoch, _: reached.append(epoch),
        resume=from_bytes(interrupted(pack, at), "pack"),
    )
    assert reached == list(range(at, 5))
    uninterrupted = train_pack(pack, load_vectors("digits"))
    for member in range(3):
        assert points(resumed, member) == points(uninterrupted, member)
    assert resumed.sketches == uninterrupted.sketches


def test_a_member_that_diverged_before_the_stop_stays_diverged() -> None:
    pack = Pack(SHORT, (Member(margin=1.0, lr=1e30, seed=0), ALONE))
    resumed = train_pack(pack, load_vectors("digits"), resume=from_bytes(interrupted(pack, 2), "pack"))
    assert resumed.diverged == train_pack(pack, load_vectors("digits")).diverged == [1, None]


SNAPSHOT = to_bytes({"epoch": 3, "parameters": torch.arange(64.0)}, "pack")


@settings(max_examples=1000, deadline=None)
@given(position=st.integers(0, len(SNAPSHOT) - 1), flip=st.integers(1, 255), cut=st.booleans())
def test_a_snapshot_cut_off_or_altered_anywhere_is_never_read(position: int, flip: int, cut: bool) -> None:
    altered = bytearray(SNAPSHOT[:position] if cut else SNAPSHOT)
    if not cut:
        altered[position] ^= flip
    with pytest.raises(BrokenSnapshotError):
        from_bytes(bytes(altered), "pack")


def test_a_snapshot_of_another_pack_is_never_read() -> None:
    with pytest.raises(BrokenSnapshotError, match="another pack"):
        from_bytes(SNAPSHOT, "other")


@pytest.mark.filterwarnings("ignore:Detected pickle protocol")
def test_reading_a_snapshot_runs_no_foreign_code() -> None:
    body = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(SNAPSHOT.partition(b"\n")[2])) as plain, zipfile.ZipFile(body, "w") as out:
        for name in plain.namelist():
            out.writestr(name, pickle.dumps(print, 2) if name.endswith("data.pkl") else plain.read(name))
    with pytest.raises(BrokenSnapshotError, match="cannot be read: it holds more than tensors"):
        from_bytes(forged(body.getvalue()), "pack")


def forged(body: bytes) -> bytes:
    """A snapshot whose digest is right: everything that it is made of is known to who may write the storage."""
    digest = hashlib.sha256(b"pack\n" + body).hexdigest()
    return json.dumps({"fingerprint": "pack", "digest": digest}).encode() + b"\n" + body


def test_a_small_snapshot_that_unfolds_to_a_large_one_is_never_read() -> None:
    plain, packed = io.BytesIO(), io.BytesIO()
    torch.save({"epoch": 1, "parameters": torch.zeros(1 << 22)}, plain)
    with zipfile.ZipFile(plain) as archive, zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as out:
        for name in archive.namelist():
            out.writestr(name, archive.read(name))
    assert len(packed.getvalue()) < 1 << 17
    with pytest.raises(BrokenSnapshotError, match="cannot be read: its parts are compressed"):
        from_bytes(forged(packed.getvalue()), "pack")


def test_a_snapshot_in_the_format_of_old_versions_is_never_read() -> None:
    old = io.BytesIO()
    torch.save({"epoch": 1}, old, _use_new_zipfile_serialization=False)
    with pytest.raises(BrokenSnapshotError, match="no format of these snapshots"):
        from_bytes(forged(old.getvalue()), "pack")


def test_a_snapshot_of_a_pack_is_shorter_than_what_its_pack_can_need() -> None:
    for members in (TWO_RATES, TWO_RATES[:1]):
        pack = Pack(replace(SHORT, epochs=30, evaluate_every=1), members)
        sizes: list[int] = []

        def on_epoch(epoch: int, snapshot: Callable[[], Snapshot], sizes: list[int] = sizes) -> None:
            sizes.append(len(to_bytes(snapshot(), "pack")))

        dataset = load_vectors("digits")
        train_pack(pack, dataset, on_epoch=on_epoch)
        most = most_bytes(pack, dataset.input_shape)
        assert max(sizes) < most < 100 * max(sizes)
