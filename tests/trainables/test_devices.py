from __future__ import annotations

import pytest
import torch

from trainables.devices import is_out_of_memory, limit_memory, send


@pytest.mark.parametrize(
    "message",
    [
        "CUDA error: out of memory\nCUDA kernel errors might be reported asynchronously",
        "CUDA driver error: out of memory",
        "CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`",
        "CUDA error: CUBLAS_STATUS_NOT_INITIALIZED when calling `cublasCreate(handle)`",
        "cuDNN error: CUDNN_STATUS_ALLOC_FAILED",
        "cuDNN error: CUDNN_STATUS_INTERNAL_ERROR_DEVICE_ALLOCATION_FAILED",
        "cusolver error: CUSOLVER_STATUS_ALLOC_FAILED, when calling `cusolverDnCreate(handle)`",
    ],
)
def test_libraries_of_a_gpu_that_find_no_memory_are_known(message: str) -> None:
    assert is_out_of_memory(RuntimeError(message))


@pytest.mark.parametrize("message", ["CUDA error: an illegal memory access was encountered", "shapes do not match"])
def test_other_errors_are_no_lack_of_memory(message: str) -> None:
    assert not is_out_of_memory(RuntimeError(message))
    assert not is_out_of_memory(ValueError())


def test_processes_that_share_a_gpu_leave_room_for_cuda_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    fractions: list[float] = []
    monkeypatch.setattr(torch.cuda, "set_per_process_memory_fraction", fractions.append)
    limit_memory(torch.device("cpu"), 0.25)
    assert fractions == []
    for share in (1.0, 0.25):
        limit_memory(torch.device("cuda"), share)
    assert fractions == [0.9, 0.9 / 4]


def test_on_the_cpu_nothing_is_sent() -> None:
    tensor = torch.arange(3)
    assert send(tensor, torch.device("cpu")) is tensor


@pytest.mark.gpu
def test_a_gpu_gets_what_is_sent_even_if_it_is_changed_afterwards() -> None:
    for number in range(50):
        tensor = torch.full((1 << 20,), number)
        there = send(tensor, torch.device("cuda"))
        tensor.fill_(-1)
        assert bool((there == number).all())


@pytest.mark.gpu
def test_a_process_that_asks_for_more_than_its_share_runs_out_itself() -> None:
    _, all_memory = torch.cuda.mem_get_info()
    limit_memory(torch.device("cuda"), 0.1)
    try:
        with pytest.raises(torch.OutOfMemoryError):
            torch.empty(int(0.1 * all_memory), dtype=torch.uint8, device="cuda")
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)
