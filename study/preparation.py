"""Preparing each dataset once: decoding its images, or running its frozen backbone over them."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor

from study.progress import Bar
from study.readings import Reading
from trainables.backbones import Network, embed, features, load_backbone
from trainables.datasets import Dataset, load_vectors, make_dataset
from trainables.datasets.cache import Prepared, entry_folder, prepared_once
from trainables.datasets.images import decode_images
from trainables.datasets.listing import ImageListing, fingerprint, read_image
from trainables.datasets.synthetic import SyntheticOptions
from trainables.encoders import backbone_of

WORKERS = os.cpu_count() or 1

Place = Callable[[str, torch.nn.Module], Network]
"""Where a backbone runs: from its name and its network, as `load_backbone` gives it, to what `features` takes."""


def device_here() -> torch.device:
    """Where this process computes: its first GPU, if it has one."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def here(backbone: str, model: torch.nn.Module) -> Network:
    """The network in this process."""
    device = device_here()
    model = model.to(device)
    return lambda batches: (embed(model, batch, device) for batch in batches)


def prepare(
    readings: Sequence[Reading], cache: Path, synthetic: SyntheticOptions, place: Place = here
) -> tuple[dict[tuple[str, str], Dataset], list[str]]:
    """The datasets of some readings, and warnings.

    What is in the cache is taken from there; what is not is made, with a progress bar, and kept there. Readings that
    see the same inputs share one dataset.

    Args:
        readings: What to prepare.
        cache: Where it is kept.
        synthetic: What the generated dataset is made of.
        place: Where frozen backbones run; images are read and decoded here.

    Raises:
        DatasetError: If an image is broken, weights do not fit, or a dataset is too small.
        OSError: If the cache cannot be written.
    """
    made: dict[tuple[str, str | None], Dataset] = {}
    warnings = []
    for reading in readings:
        backbone = backbone_of(reading.encoder)
        if (reading.dataset, backbone) in made:
            continue
        if reading.listing is None:
            dataset = load_vectors(reading.dataset, synthetic)
        else:
            prepared = _prepared(reading, reading.listing, backbone, cache, place)
            labels = torch.tensor(reading.listing.labels)
            test = None if reading.listing.test is None else torch.tensor(reading.listing.test)
            content = f"{prepared.content} {json.dumps(reading.treatment, sort_keys=True)}"
            dataset = make_dataset(
                reading.dataset, prepared.inputs, labels, reading.split, test, prepared.twins, content
            )
            warnings += _twin_warnings(dataset, reading.listing, prepared.twins)
        made[reading.dataset, backbone] = dataset
    return {(r.dataset, r.encoder): made[r.dataset, backbone_of(r.encoder)] for r in readings}, warnings


def _twin_warnings(dataset: Dataset, listing: ImageListing, twins: list[list[int]]) -> list[str]:
    used = torch.zeros(len(dataset.labels), dtype=torch.bool)
    used[torch.cat([dataset.development, dataset.test])] = True
    left_out = (~used).nonzero().flatten().tolist()
    if not left_out:
        return []
    group = next(group for group in twins if left_out[0] in group)
    other = next(position for position in group if used[position])
    return [
        f"{dataset.name}: {len(left_out)} images are left out of training and validation, so that none is on two sides "
        f"of a split; the first is {listing.describe(left_out[0])}, the same as {listing.describe(other)}"
    ]


def is_prepared(reading: Reading, cache: Path) -> bool:
    """Whether the cache seems to have a reading's inputs; they are not read."""
    return reading.listing is None or _entry(reading, reading.listing, backbone_of(reading.encoder), cache).is_dir()


def _prepared(reading: Reading, listing: ImageListing, backbone: str | None, cache: Path, place: Place) -> Prepared:
    def make() -> tuple[Tensor, list[str]]:
        bar = Bar(sys.stderr)
        what = f"preparing {reading.dataset}" + (f" for {backbone}" if backbone else "")

        def on_image(count: int) -> None:
            bar.show(count / len(listing), f"{what}: {count}/{len(listing)} images", count in (0, len(listing)))

        try:
            if backbone:
                return _embed(listing, backbone, reading.weights, place, on_image)
            channels, side, _ = reading.input_shape
            return decode_images(listing, side, channels, WORKERS, on_image)
        finally:
            bar.close()

    return prepared_once(_entry(reading, listing, backbone, cache), make)


def _embed(
    listing: ImageListing, backbone: str, weights: Path | None, place: Place, on_image: Callable[[int], None]
) -> tuple[Tensor, list[str]]:
    digests = [""] * len(listing)

    def read(position: int) -> Image.Image:
        image, digests[position] = read_image(listing, position)
        return image

    network = place(backbone, load_backbone(backbone, weights))
    on_image(0)  # a machine for the network may take minutes to start
    return features(network, backbone, read, len(listing), WORKERS, on_image), digests


def _entry(reading: Reading, listing: ImageListing, backbone: str | None, cache: Path) -> Path:
    recipe = {"images": fingerprint(listing), **reading.treatment}
    return entry_folder(cache, f"{reading.dataset} {backbone or 'pixels'}", recipe)
