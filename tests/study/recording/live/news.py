"""News of packs whose records tests have."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np

from analysis.store.records import PackRecord
from study.recording.live.told import LivePack, LiveUpdate
from trainables.training.live_points import LivePoints


def news(record: PackRecord, epochs: Collection[int], add: float = 0.0) -> LiveUpdate:
    """What a trial tells after some epochs of training that will give a record; `add` is added to all values."""
    table = record.points[record.points["epoch"].isin(epochs)].pivot(
        index=["metric", "epoch"], columns="key", values="value"
    )
    values = table[[run.key for run in record.runs]].to_numpy() + add
    keys = tuple((str(metric), int(epoch)) for metric, epoch in table.index)
    return LiveUpdate(record.pack, record.started, record.runs, [LivePoints(0, keys, np.asarray(values))])


def told(record: PackRecord, *epochs: Collection[int], add: float = 0.0) -> LivePack:
    """A pack after so many news."""
    pack = LivePack(news(record, epochs[0]))
    for each in epochs:
        pack.add(news(record, each, add).points)
    return pack
