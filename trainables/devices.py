"""What a GPU needs to be exact, to be shared, and not to be waited for. For a CPU, all of this does nothing."""

from __future__ import annotations

import gc

import torch
from torch import Tensor

# Of a GPU's memory, for the tensors of all processes that share it. The rest is for CUDA, some 0.5 GiB a process.
SHARED_MEMORY = 0.9

# In the messages of plain RuntimeErrors from PyTorch's CPU allocator, from CUDA, its driver and its libraries.
_SHORTAGES = (
    "allocate memory",
    "CUDA error: out of memory",
    "CUDA driver error: out of memory",
    "CUBLAS_STATUS_ALLOC_FAILED",
    "CUBLAS_STATUS_NOT_INITIALIZED",  # cuBLAS finds no memory for its handle
    "CUDNN_STATUS_ALLOC_FAILED",  # until cuDNN 8
    "CUDNN_STATUS_INTERNAL_ERROR_DEVICE_ALLOCATION_FAILED",
    "CUDNN_STATUS_INTERNAL_ERROR_HOST_ALLOCATION_FAILED",
    "CUSOLVER_STATUS_ALLOC_FAILED",
)


def use_exact_arithmetic(device: torch.device) -> None:
    """Lets this process compute in all bits of float32, and its convolutions add in the same order each time.

    PyTorch's default for convolutions on a GPU are products of ten bits (TF32), in any order. An environment with
    TORCH_ALLOW_TF32_CUBLAS_OVERRIDE has this default for products of matrices as well.
    """
    if device.type == "cpu":
        return
    torch.backends.cudnn.allow_tf32 = False
    torch.backends.cudnn.deterministic = True
    torch.backends.cudnn.benchmark = False
    torch.set_float32_matmul_precision("highest")


def limit_memory(device: torch.device, share: float) -> None:
    """Keeps this process within its share of a GPU's memory, so that it runs out itself, and not its neighbours.

    Args:
        device: The GPU.
        share: The fraction of the GPU that this process has, at most 1.
    """
    if device.type == "cuda":
        torch.cuda.set_per_process_memory_fraction(SHARED_MEMORY * share)


def release_memory() -> None:
    """Gives back what nobody refers to, to the system and to other processes of the GPU."""
    gc.collect()
    torch.cuda.empty_cache()  # does nothing if this process has not used a GPU


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error says that a CPU or a GPU has no more memory."""
    known_message = any(text in str(error) for text in _SHORTAGES)
    return isinstance(error, (torch.OutOfMemoryError, MemoryError)) or known_message


def send(tensor: Tensor, device: torch.device) -> Tensor:
    """A tensor of the CPU on a device. A GPU gets it while this process goes on; without pinning, both would wait."""
    if device.type == "cuda":
        tensor = tensor.pin_memory()
    return tensor.to(device, non_blocking=True)
