"""Frozen backbones: torchvision's ImageNet classifiers without the last layer."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch import Tensor

from trainables.datasets.errors import DatasetError, MissingFilesError
from trainables.datasets.files.regular import file_digest, read_regular
from trainables.datasets.files.tensors import load_tensors
from trainables.devices import use_exact_arithmetic

FeatureExtractor = Callable[[Iterator[Tensor]], Iterator[Tensor]]
"""Maps batches [B, 3, H, W] to features [B, F] float32, in their order. It may read some batches in advance."""

# These end in a convolution, have auxiliary branches, or have weights for larger images only.
_UNUSABLE = ("squeezenet1_0", "squeezenet1_1", "googlenet", "inception_v3", "vit_h_14")
_BATCH = 64
_LARGEST = 1 << 34  # bytes of a weight file; the largest of torchvision's has 2.6 GB
_OLD_DENSENET = re.compile(r"(denselayer\d+\.(?:norm|conv))\.([12])\.")  # parameter names in DenseNet's published files


def backbone_names() -> list[str]:
    """The names of the backbones in torchvision: ``vit_b_32``, ``resnet50``, and so on."""
    from torchvision import models

    return [name for name in models.list_models(module=models) if name not in _UNUSABLE]


def published_weights(backbone: str) -> Any:
    """Torchvision's current ImageNet weights of a backbone, with their URL and transforms."""
    from torchvision.models import get_model_weights

    return get_model_weights(backbone).DEFAULT


def weight_file_name(backbone: str) -> str:
    """The name of the published file. It ends in the first digits of the file's SHA-256."""
    return str(published_weights(backbone).url).rpartition("/")[2]


def find_weights(backbone: str, user_file: Path | None, folders: list[Path]) -> Path:
    """The weight file of a backbone.

    Args:
        backbone: Its name.
        user_file: A file that the user names; its digest is not checked.
        folders: Where to search for the published file if the user names none.

    Raises:
        MissingFilesError: If there is no such file.
        DatasetError: If a file has the published name but not the published digest.
    """
    name = weight_file_name(backbone)
    if user_file is not None:
        if user_file.is_file():
            return user_file
        raise MissingFilesError(f"weights of {backbone}", str(user_file), "give the path of an existing file")
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
    searched = f"{name} in {', '.join(str(folder) for folder in folders)}"
    raise MissingFilesError(f"weights of {backbone}", searched, str(published_weights(backbone).url))


def feature_dim(backbone: str) -> int:
    """F, the number of a backbone's features, without loading weights."""
    from torchvision.models import get_model

    with torch.device("meta"):
        return _last_linear(get_model(backbone, weights=None))[1].in_features


def load_backbone(backbone: str, weights: Path | None, digest: str | None = None) -> torch.nn.Module:
    """The network that maps [B, 3, H, W] to features [B, F], in evaluation mode.

    Args:
        backbone: Its name.
        weights: File with a state dict in torchvision's format, for any number of classes. None keeps the random
            weights, which is enough to measure speed.
        digest: The SHA-256 that the file had when it was found; None if that does not matter.

    Raises:
        DatasetError: If the file has no such state dict, or has changed since it was found.
    """
    from torchvision.models import get_model

    state = None if weights is None else _load_state(weights, digest)
    model: torch.nn.Module = get_model(backbone, weights=None)
    name, _ = _last_linear(model)
    if state is not None:
        head = {f"{name}.weight", f"{name}.bias"}
        for key in list(state):  # changed in place, because the state dict also holds the versions of its modules
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


def _load_state(weights: Path, digest: str | None) -> dict[str, Tensor]:
    try:
        content = read_regular(weights, _LARGEST)
    except OSError as error:
        raise DatasetError(f"cannot read {weights}: {error.strerror or error}") from None
    if digest is not None and hashlib.sha256(content).hexdigest() != digest:
        raise DatasetError(f"{weights} has changed while this session was at work: run the same command again")
    try:
        state = load_tensors(content)
    except Exception as error:  # a broken or foreign file may cause any exception
        reason = " ".join(str(error).split())[:120]
        raise DatasetError(f"{weights} is no file of weights, or not one that is safe to load ({reason})") from None
    if not isinstance(state, dict) or not all(isinstance(value, Tensor) for value in state.values()):
        raise DatasetError(f"{weights} holds no state dict of tensors")
    return state


def embed(model: torch.nn.Module, batch: Tensor, device: torch.device) -> Tensor:
    """Features [B, F] float32 of a batch [B, 3, H, W], on the CPU.

    Args:
        model: From `load_backbone`, on `device`.
        batch: On any device.
        device: Where the network runs.
    """
    use_exact_arithmetic(device)
    with torch.inference_mode():
        embedded: Tensor = model(batch.to(device)).flatten(1).float().cpu()
    return embedded


def extract_features(
    extractor: FeatureExtractor,
    backbone: str,
    read: Callable[[int], Image.Image],
    count: int,
    workers: int,
    on_image: Callable[[int], None] | None = None,
) -> Tensor:
    """Features [N, F] float32 of N images, which get the transforms of the published weights.

    Threads read and transform the next images while the backbone works on the current ones.

    Args:
        extractor: The backbone.
        backbone: Its name.
        read: Returns the image at a position. Its exceptions reach the caller.
        count: N.
        workers: Number of threads.
        on_image: Called with the number of finished images.

    Raises:
        DatasetError: If there are no images.
    """
    transform = published_weights(backbone).transforms()
    features: Tensor | None = None
    done = 0
    for embedded in extractor(_batches(lambda position: transform(read(position).convert("RGB")), count, workers)):
        if features is None:
            features = torch.empty(count, embedded.shape[1])
        features[done : done + len(embedded)] = embedded
        done += len(embedded)
        if on_image:
            on_image(done)
    if features is None:
        raise DatasetError("there are no images to embed")
    return features


def _batches(prepare: Callable[[int], Tensor], count: int, workers: int) -> Iterator[Tensor]:
    """Batches in the order of the images. While one is used, the next is read."""
    with ThreadPoolExecutor(workers) as pool:
        pending = [pool.submit(prepare, position) for position in range(min(_BATCH, count))]
        for start in range(0, count, _BATCH):
            current = pending
            next_batch = range(start + _BATCH, min(start + 2 * _BATCH, count))
            pending = [pool.submit(prepare, position) for position in next_batch]
            yield torch.stack([future.result() for future in current])
