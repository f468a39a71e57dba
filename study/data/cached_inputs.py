"""Checks cached inputs against the images that they were made from.

Who can write the cache can change its inputs together with their digest. So some inputs, which nobody can foresee, are
made again; whoever exchanges all is found out, and whoever exchanges a share p of them with 1 - (1 - p)^n.
"""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path

import numpy as np
from torch import Tensor

from study.data.preparation import entry_of, make_inputs
from study.data.sources import EncodedDataset
from trainables.datasets.errors import DatasetError
from trainables.datasets.listing import ImageListing
from trainables.networks.encoders import backbone_of

_SAMPLE = 8  # images; a frozen ViT-B/32 takes a second for them on two cores
_FAR_PIXELS = 8.0  # mean difference, of 255, that versions of Pillow do not reach
_FAR_FEATURES = 0.1  # relative difference that devices do not reach


def check_cached_inputs(encoded: EncodedDataset, inputs: Tensor, cache: Path) -> None:
    """Makes some inputs of a dataset again, and all of them where that takes no time.

    Args:
        encoded: The dataset.
        inputs: [N, ...], as the cache has given them.
        cache: The folder of the cache.

    Raises:
        DatasetError: If inputs are not those of their images.
    """
    listing = encoded.listing
    if listing is None:
        return
    backbone = backbone_of(encoded.encoder)
    count = len(listing) if backbone is None and _has_size(listing, encoded.input_shape) else _SAMPLE
    positions = sorted(random.SystemRandom().sample(range(len(listing)), min(count, len(listing))))
    afresh = make_inputs(encoded, _some(listing, positions))[0].float().flatten(1)
    difference = inputs[positions].float().flatten(1) - afresh
    if backbone:
        far = difference.norm(dim=1) > _FAR_FEATURES * afresh.norm(dim=1)
    else:
        far = difference.abs().mean(1) > (0.0 if count == len(listing) else _FAR_PIXELS)
    far |= ~difference.isfinite().all(1)
    if far.any():
        image = listing.describe(positions[int(far.nonzero()[0])])
        raise DatasetError(
            f"the cached inputs of {encoded.dataset} for {encoded.encoder} are not those of its images ({image} gives "
            f"others): somebody has changed {entry_of(encoded, listing, cache)}, or much older versions have made it: "
            "remove that folder, and they are made again"
        )


def _has_size(listing: ImageListing, shape: tuple[int, ...]) -> bool:
    """Whether the images are pixels in memory, and of the size that the encoder reads."""
    return isinstance(listing.images, np.ndarray) and tuple(listing.images.shape[1:3]) == shape[1:]


def _some(listing: ImageListing, positions: list[int]) -> ImageListing:
    images = listing.images
    chosen = images[positions] if isinstance(images, np.ndarray) else [images[position] for position in positions]
    return replace(listing, images=chosen, labels=[listing.labels[position] for position in positions], test=None)
