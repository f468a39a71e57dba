"""Training a pack in whatever memory there is: where it does not fit, its halves are trained one after the other."""

from __future__ import annotations

import gc
from collections.abc import Callable

import torch

from trainables.datasets import Dataset
from trainables.history import History
from trainables.snapshots import Snapshot
from trainables.spec import Pack
from trainables.training import train_pack

# What plain RuntimeErrors say: PyTorch's allocator for the CPU, CUDA itself, and its libraries.
_TOLD = ("allocate memory", "CUDA error: out of memory", "CUBLAS_STATUS_ALLOC_FAILED", "CUDNN_STATUS_ALLOC_FAILED")
OnEpoch = Callable[[int, Callable[[], Snapshot] | None], None]


def train_within_memory(
    pack: Pack,
    dataset: Dataset,
    device: torch.device | str = "cpu",
    on_epoch: OnEpoch | None = None,
    resume: Snapshot | None = None,
    pieces: int = 1,
) -> History:
    """`train_pack`, in halves where the device runs out of memory: a run's result does not depend on its pack.

    Args and returns as for `train_pack`; `on_epoch` gets None for the snapshot of a half, which is of no whole pack.
    `pieces`, a power of two, is in how many parts to train from the start, as far as there are members for them.

    Raises:
        torch.OutOfMemoryError: If one member alone does not fit.
    """
    if pieces == 1 or len(pack.members) == 1:
        try:
            return train_pack(pack, dataset, device, on_epoch, resume)
        except (MemoryError, RuntimeError) as error:
            if not _is_memory(error) or len(pack.members) == 1:
                raise
    # Here the exception is gone, and with it its frames, which held the tensors of the attempt.
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    middle = len(pack.members) // 2
    halves = (pack.members[:middle], pack.members[middle:])

    def progress(epoch: int, _: object) -> None:
        if on_epoch:
            on_epoch(epoch, None)

    each = max(pieces // 2, 1)
    return History.joined(
        [train_within_memory(Pack(pack.structure, h), dataset, device, progress, pieces=each) for h in halves]
    )


def _is_memory(error: BaseException) -> bool:
    told = any(text in str(error) for text in _TOLD)
    return isinstance(error, (torch.OutOfMemoryError, MemoryError)) or told
