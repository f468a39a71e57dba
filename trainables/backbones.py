"""Frozen backbones: torchvision's classifiers without their last layer."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch import Tensor

from trainables.datasets.digests import file_digest
from trainables.datasets.faults import DatasetError, MissingFilesError

Network = Callable[[Iterator[Tensor]], Iterator[Tensor]]
"""Batches [B, 3, H, W] to their features [B, F] float32, in order; it may take some batches ahead."""

# Those that end in a convolution, train with side branches, or have weights for images of another size alone.
_UNUSABLE = ("squeezenet1_0", "squeezenet1_1", "googlenet", "inception_v3", "vit_h_14")
_BATCH = 64
_OLD_DENSENET = re.compile(r"(denselayer\d+\.(?:norm|conv))\.([12])\.")  # names in DenseNets' published files


def backbone_names() -> list[str]:
    """The backbones by torchvision's names: ``vit_b_32``, ``resnet50``, and so on."""
    from torchvision import models

    return [name for name in models.list_models(module=models) if name not in _UNUSABLE]


def published_weights(backbone: str) -> Any:
    """Torchvision's current ImageNet weights of a backbone: their address, and the transforms that go with them."""
    from torchvision.models import get_model_weights

    return get_model_weights(backbone).DEFAULT


def weight_file_name(backbone: str) -> str:
    """The published file's name, which ends in the start of its SHA-256."""
    return str(published_weights(backbone).url).rpartition("/")[2]


def find_weights(backbone: str, given: Path | None, folders: list[Path]) -> Path:
    """The weight file of a backbone.

    Args:
        backbone: Its name.
        given: The user's own file, whatever its digest.
        folders: Where to look for the published file otherwise.

    Raises:
        MissingFilesError: If there is none.
        DatasetError: If a file has the published name but not the published digest.
    """
    name = weight_file_name(backbone)
    if given is not None:
        if given.is_file():
            return given
        raise MissingFilesError(f"weights of {backbone}", str(given), "give the path of an existing file")
    for folder in folders:
        path = folder / name
        if path.is_file():
            expected = path.stem.rpartition("-")[2]
            if not file_digest(path).startswith(expected):
                raise DatasetError(
                    f"{path} is not the published file (its SHA-256 should start with {expected}): delete it, or name "
                    f"weights of your own by --weights {backbone}=FILE"
                )
            return path
    looked = f"{name} in {', '.join(str(folder) for folder in folders)}"
    raise MissingFilesError(f"weights of {backbone}", looked, str(published_weights(backbone).url))


def feature_dim(backbone: str) -> int:
    """F, the number of a backbone's features, without making the network."""
    from torchvision.models import get_model

    with torch.device("meta"):
        return _last_linear(get_model(backbone, weights=None))[1].in_features


def load_backbone(backbone: str, weights: Path | None) -> torch.nn.Module:
    """The network that maps [B, 3, H, W] to features [B, F], in evaluation mode.

    Args:
        backbone: Its name.
        weights: A state dict as torchvision publishes it, for 1,000 classes or any other number; None leaves the
            network as it was drawn (to measure its speed).

    Raises:
        DatasetError: If the file holds no such state dict.
    """
    from torchvision.models import get_model

    state = None if weights is None else _load_state(weights)
    model: torch.nn.Module = get_model(backbone, weights=None)
    name, _ = _last_linear(model)
    if state is not None:
        head = {f"{name}.weight", f"{name}.bias"}
        for key in list(state):  # in place, for the state dict carries the versions of its modules
            if key in head:
                del state[key]
            elif _OLD_DENSENET.search(key):
                state[_OLD_DENSENET.sub(r"\1\2.", key)] = state.pop(key)
        try:
            result = model.load_state_dict(state, strict=False)
        except (RuntimeError, ValueError) as error:
            raise DatasetError(f"{weights} does not fit {backbone}: {str(error).splitlines()[-1].strip()}") from None
        wrong = [*(key for key in result.missing_keys if key not in head), *result.unexpected_keys]
        if wrong:
            raise DatasetError(f"{weights} does not fit {backbone}: {wrong[0]} is in one of the two only")
    model.set_submodule(name, torch.nn.Identity())
    return model.eval().requires_grad_(False)


def _last_linear(model: torch.nn.Module) -> tuple[str, torch.nn.Linear]:
    return [(name, layer) for name, layer in model.named_modules() if isinstance(layer, torch.nn.Linear)][-1]


def _load_state(weights: Path) -> dict[str, Tensor]:
    try:
        state = torch.load(weights, map_location="cpu", weights_only=True)
    except OSError as error:
        raise DatasetError(f"cannot read {weights}: {error.strerror or error}") from None
    except Exception as error:  # a broken or foreign file raises whatever its reader comes upon
        reason = " ".join(str(error).split())[:120]
        raise DatasetError(f"{weights} is no file of weights, or not one that is safe to load ({reason})") from None
    if not isinstance(state, dict) or not all(isinstance(value, Tensor) for value in state.values()):
        raise DatasetError(f"{weights} holds no state dict of tensors")
    return state


def embed(model: torch.nn.Module, batch: Tensor, device: torch.device) -> Tensor:
    """Features [B, F] float32 of a batch [B, 3, H, W], on the CPU.

    Args:
        model: As `load_backbone` gives it, on `device`.
        batch: On any device.
        device: Where the network runs.
    """
    with torch.inference_mode():
        embedded: Tensor = model(batch.to(device)).flatten(1).float().cpu()
    return embedded


def features(
    network: Network,
    backbone: str,
    read: Callable[[int], Image.Image],
    count: int,
    workers: int,
    on_image: Callable[[int], None] | None = None,
) -> Tensor:
    """Features [N, F] float32 of N images, each prepared as torchvision prepares it for the published weights.

    Images are read and scaled in threads while the network works on those before.

    Args:
        network: Wherever it runs.
        backbone: Its name.
        read: Gives the image at a position; what it raises goes on to the caller.
        count: N.
        workers: Threads that read.
        on_image: Called with the number of images done.
    """
    transform = published_weights(backbone).transforms()
    result: Tensor | None = None
    done = 0
    for embedded in network(_batches(lambda position: transform(read(position).convert("RGB")), count, workers)):
        if result is None:
            result = torch.empty(count, embedded.shape[1])
        result[done : done + len(embedded)] = embedded
        done += len(embedded)
        if on_image:
            on_image(done)
    if result is None:
        raise DatasetError("there are no images to embed")
    return result


def _batches(prepare: Callable[[int], Tensor], count: int, workers: int) -> Iterator[Tensor]:
    """Batches in the images' order; the next one is being read meanwhile."""
    with ThreadPoolExecutor(workers) as pool:
        waiting = [pool.submit(prepare, position) for position in range(min(_BATCH, count))]
        for start in range(0, count, _BATCH):
            ready = waiting
            following = range(start + _BATCH, min(start + 2 * _BATCH, count))
            waiting = [pool.submit(prepare, position) for position in following]
            yield torch.stack([future.result() for future in ready])
