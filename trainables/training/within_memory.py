"""Training a pack that may not fit into memory: if it does not, its halves are trained one after the other."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import torch

from trainables.datasets.synthetic import AnyDataset
from trainables.devices import is_out_of_memory, release_memory
from trainables.pack import Pack
from trainables.training.history import History
from trainables.training.loop import train_pack
from trainables.training.snapshots import Snapshot, of_members

OnEpoch = Callable[[int, Callable[[], Snapshot]], None]
_HALVES, _RESULT = "halves", "result"  # in a snapshot: those of both halves, and the history of a half that has ended


def train_within_memory(
    pack: Pack,
    dataset: AnyDataset,
    device: torch.device | str = "cpu",
    on_epoch: OnEpoch | None = None,
    resume: Snapshot | None = None,
    pieces: int = 1,
) -> History:
    """Calls `train_pack`, and trains the pack in halves if the device runs out of memory.

    This does not change results, because a run's result does not depend on its pack.

    Args:
        pack: As for `train_pack`.
        dataset: As for `train_pack`.
        device: As for `train_pack`.
        on_epoch: As for `train_pack`. While a half is trained, it gets the half's epochs, and snapshots of both halves.
        resume: A snapshot of `train_pack` or of this function. A pack that is halved now continues from one of the
            undivided pack, and the other way round it stays halved.
        pieces: A power of two: trains the pack in so many pieces from the start. A piece has at least one member.

    Returns:
        As for `train_pack`.

    Raises:
        torch.OutOfMemoryError, MemoryError, RuntimeError: If one member alone does not fit.
    """
    if resume is not None and _RESULT in resume:
        return History.from_state(resume[_RESULT])
    is_halved = resume is not None and _HALVES in resume
    if not is_halved and (pieces == 1 or len(pack.members) == 1):
        try:
            return train_pack(pack, dataset, device, on_epoch, resume)
        except (MemoryError, RuntimeError) as error:
            if not is_out_of_memory(error) or len(pack.members) == 1:
                raise
    # This must be outside the except block: the exception's frames hold the tensors of the failed attempt.
    release_memory()
    middle = len(pack.members) // 2
    halves = (slice(0, middle), slice(middle, None))
    if resume is None:
        states: list[Snapshot | None] = [None, None]
    else:
        states = list(resume[_HALVES]) if is_halved else [of_members(resume, half) for half in halves]

    histories = []
    for number, half in enumerate(halves):

        def progress(epoch: int, snapshot: Callable[[], Snapshot], number: int = number) -> None:
            if on_epoch:
                on_epoch(epoch, lambda: {_HALVES: [*states[:number], snapshot(), *states[number + 1 :]]})

        part = Pack(pack.structure, pack.members[half])
        history = train_within_memory(part, dataset, device, progress, states[number], max(pieces // 2, 1))
        states[number] = {_RESULT: history.state()}
        histories.append(history)
    return History.concatenate(histories)


def histories_in(snapshot: Snapshot, members: int, first: int = 0) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """The states of the histories in a snapshot of `train_within_memory`, each with the first of its members.

    Args:
        snapshot: The snapshot.
        members: How many members it is of.
        first: The first of them.
    """
    if _HALVES not in snapshot:
        yield first, snapshot[_RESULT] if _RESULT in snapshot else snapshot["history"]
        return
    middle = members // 2
    one, other = snapshot[_HALVES]
    if one is not None:
        yield from histories_in(one, middle, first)
    if other is not None:
        yield from histories_in(other, members - middle, first + middle)
