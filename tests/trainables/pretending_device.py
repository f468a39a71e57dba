"""A device that pretends to be a GPU: its tensors say that they are on ``gpu:0`` and keep their values on the CPU.

So code for a GPU runs where there is none, and to the last bit as on the CPU. An operation on tensors of two devices
fails, as on a GPU. What the host would wait for on a GPU is counted. The names of operations are those of PyTorch
(``aten``). PyTorch's interfaces for such devices are private and may go: ask `can_pretend` first.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_flatten, tree_leaves, tree_map, tree_unflatten

NAME = "gpu"
aten = torch.ops.aten
# The size of a result, or a number for Python, depends on values: the host waits until all before it is computed.
_READS = {
    aten._local_scalar_dense.default,
    aten.nonzero.default,
    aten.masked_select.default,
    aten._unique2.default,
    aten.unique_dim.default,
    aten.unique_consecutive.default,
    aten._linalg_eigh.default,
}
_INDEXED = {aten.index.Tensor, aten.index_put.default, aten.index_put_.default}  # with a mask, they look for its places
_COPIES = {aten._to_copy.default, aten.copy_.default}
_BETWEEN_DEVICES = {*_COPIES, aten.lift_fresh.default}


class Pretended(Tensor):
    """A tensor that says that it is on the device."""

    held: Tensor
    __torch_function__ = torch._C._disabled_torch_function_impl  # type: ignore[assignment]

    @staticmethod
    def __new__(cls, values: Tensor) -> Pretended:
        strides, offset = values.stride(), values.storage_offset()
        made: Pretended = Tensor._make_wrapper_subclass(
            cls, values.shape, strides=strides, storage_offset=offset, dtype=values.dtype, device=torch.device(NAME, 0)
        )
        return made

    def __init__(self, values: Tensor) -> None:
        self.held = values

    def tolist(self) -> Any:
        return self.cpu().tolist()

    @classmethod
    def __torch_dispatch__(  # type: ignore[override]
        cls, operation: Any, types: Any, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        raise AssertionError(f"{operation} on a tensor of {NAME} that outlived `pretending`")


class Pretence(TorchDispatchMode):
    """What happened on the device.

    Attributes:
        waits: For which operations the host would have waited, and how often.
        launches: How many operations computed something on the device.
        largest: The most elements of a new tensor of 64-bit integers.
    """

    def __init__(self, watch: Callable[[str], None]) -> None:
        super().__init__()
        self.waits: Counter[str] = Counter()
        self.launches = 0
        self.largest = 0
        self._watch = watch

    def __torch_dispatch__(
        self, operation: Any, types: Any, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        flat, form = tree_flatten((list(args), dict(kwargs or {})))
        there = {id(tensor.held): tensor for tensor in flat if isinstance(tensor, Pretended)}
        target = (kwargs or {}).get("device")
        goes = bool(there) if target is None else torch.device(target).type == NAME
        self._count_waits(operation, args, kwargs or {}, bool(there), goes)
        if there and operation not in _BETWEEN_DEVICES:
            _check_devices(operation, flat)
        plain = [each.held if isinstance(each, Pretended) else each for each in flat]
        plain_args, plain_kwargs = tree_unflatten(plain, form)
        if target is not None:
            plain_kwargs["device"] = torch.device("cpu")
        plain_kwargs.pop("pin_memory", None)
        self._watch(str(operation))
        result = operation(*plain_args, **plain_kwargs)
        self.launches += goes and not operation.is_view
        if operation is aten.copy_.default:
            return args[0]
        if not goes:
            return result
        return tree_map(lambda value: self._wrapped(value, there), result)

    def _wrapped(self, value: Any, there: Mapping[int, Pretended]) -> Any:
        if not isinstance(value, Tensor):
            return value
        if id(value) in there:  # changed in place
            return there[id(value)]
        if value.dtype == torch.int64:
            self.largest = max(self.largest, value.numel())
        return Pretended(value)

    def _count_waits(
        self, operation: Any, args: Sequence[Any], kwargs: Mapping[str, Any], comes: bool, goes: bool
    ) -> None:
        if operation in _COPIES:
            if operation is aten.copy_.default:
                here, there = (isinstance(tensor, Pretended) for tensor in (args[1], args[0]))
                waits = here != there and not (len(args) > 2 and args[2])
            else:
                waits = comes > goes or (goes > comes and not kwargs.get("non_blocking"))
        else:
            masks = [each for each in tree_leaves(args[1:2]) if isinstance(each, Tensor) and each.dtype == torch.bool]
            waits = comes and (operation in _READS or (operation in _INDEXED and bool(masks)))
        if waits:
            self.waits[str(operation)] += 1


def _check_devices(operation: Any, flat: Sequence[Any]) -> None:
    """As on a GPU: beside its tensors there may only be numbers, as tensors without dimensions."""
    strangers = [each for each in flat if isinstance(each, Tensor) and not isinstance(each, Pretended) and each.dim()]
    if strangers:
        raise RuntimeError(f"{operation} got tensors of {NAME}:0 and of the CPU")


@cache
def can_pretend() -> bool:
    """Whether this PyTorch has the interfaces."""
    try:
        from torch.utils.backend_registration import _setup_privateuseone_for_python_backend

        torch._C._only_lift_cpu_tensors()
        _setup_privateuseone_for_python_backend(NAME)
    except (ImportError, AttributeError, RuntimeError):
        return False
    return True


@contextmanager
def pretending(watch: Callable[[str], None] = lambda operation: None) -> Iterator[Pretence]:
    """While it lasts, ``gpu`` is a device. `watch` is told each operation before it runs."""
    before = torch._C._only_lift_cpu_tensors()
    torch._C._set_only_lift_cpu_tensors(True)  # `torch.tensor(..., device="gpu")` makes it on the CPU, and copies it
    try:
        # PyTorch starts a thread for each device at the first gradient, which may have been before this device.
        with torch.autograd.set_multithreading_enabled(False), Pretence(watch) as pretence:
            yield pretence
    finally:
        torch._C._set_only_lift_cpu_tensors(before)
