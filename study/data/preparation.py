"""Prepares each dataset once: decodes its images, or runs its frozen backbone over them."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor

from analysis.limits import remedy
from analysis.plain_text import message_text, name_text
from study.data.sources import EncodedDataset
from study.machine import CORES, local_device
from study.output.voice import TERMINAL, Voice
from trainables.datasets.cache import CacheEntry, entry_folder, load_or_make
from trainables.datasets.errors import DatasetError, LargeImageError
from trainables.datasets.images import decode_images
from trainables.datasets.listing import ImageListing, fingerprint, read_image
from trainables.datasets.registry import load_vectors
from trainables.datasets.splits import Dataset, make_dataset
from trainables.datasets.synthetic import AnyDataset, SyntheticOptions
from trainables.networks.backbones import FeatureExtractor, embed, extract_features, load_backbone
from trainables.networks.encoders import backbone_of
from trainables.pack import DatasetKey

BackboneRunner = Callable[[str, torch.nn.Module], FeatureExtractor]
"""Runs a backbone in this process or elsewhere. Takes its name and its network, as `load_backbone` gives it."""


def run_here(backbone: str, model: torch.nn.Module) -> FeatureExtractor:
    """Runs a backbone in this process."""
    device = local_device()
    model = model.to(device)
    return lambda batches: (embed(model, batch, device) for batch in batches)


def prepare(
    datasets: Sequence[EncodedDataset],
    cache: Path,
    synthetic: SyntheticOptions,
    runner: BackboneRunner = run_here,
    voice: Voice = TERMINAL,
) -> tuple[dict[DatasetKey, AnyDataset], list[str]]:
    """Loads datasets from the cache. Those that are not in the cache are prepared and added to it.

    Encoders that read the same inputs share one dataset.

    Args:
        datasets: What to prepare.
        cache: Folder of the cache.
        synthetic: How the generated dataset is drawn.
        runner: Runs frozen backbones. Images are always read and decoded in this process.
        voice: Shows how many images are read.

    Returns:
        The datasets, and warnings.

    Raises:
        DatasetError: If an image is broken, weights do not fit, or a dataset is too small.
        OSError: If the cache cannot be written.
    """
    loaded: dict[tuple[str, str | None], AnyDataset] = {}
    warnings = []
    for encoded in datasets:
        backbone = backbone_of(encoded.encoder)
        if (encoded.dataset, backbone) in loaded:
            continue
        if encoded.listing is None:
            loaded[encoded.dataset, backbone] = load_vectors(encoded.dataset, synthetic)
            continue
        entry = _cache_entry(encoded, encoded.listing, cache, runner, voice)
        labels, test = torch.tensor(encoded.listing.labels), encoded.official_test
        content = f"{entry.source_digest} {json.dumps(encoded.preprocessing, sort_keys=True)}"
        dataset = make_dataset(encoded.dataset, entry.inputs, labels, encoded.split, test, entry.duplicates, content)
        warnings += _duplicate_warnings(dataset, encoded.listing, entry.duplicates)
        loaded[encoded.dataset, backbone] = dataset
    return {each.key: loaded[each.dataset, backbone_of(each.encoder)] for each in datasets}, warnings


def fault_text(error: DatasetError) -> str:
    """What is wrong with a dataset, in one line, and what helps if a limit was reached."""
    return message_text(f"{error}, or, {remedy()}" if isinstance(error, LargeImageError) else error)


def is_prepared(encoded: EncodedDataset, cache: Path) -> bool:
    """Whether the cache seems to hold a dataset's inputs. They are not read."""
    return encoded.listing is None or entry_of(encoded, encoded.listing, cache).is_dir()


def _duplicate_warnings(dataset: Dataset, listing: ImageListing, duplicates: list[list[int]]) -> list[str]:
    used = torch.zeros(len(dataset.labels), dtype=torch.bool)
    used[dataset.divided] = True
    if dataset.test is not None:
        used[dataset.test] = True
    left_out = (~used).nonzero().flatten().tolist()
    if not left_out:
        return []
    group = next(group for group in duplicates if left_out[0] in group)
    other = next(position for position in group if used[position])
    return [
        f"{dataset.name}: {len(left_out)} images are left out, so that none is on two sides of a split; "
        f"the first is {listing.describe(left_out[0])}, the same as {listing.describe(other)}"
    ]


def _cache_entry(
    encoded: EncodedDataset, listing: ImageListing, cache: Path, runner: BackboneRunner, voice: Voice
) -> CacheEntry:
    backbone = backbone_of(encoded.encoder)

    def make() -> tuple[Tensor, list[str]]:
        bar = voice.bar()
        what = f"preparing {name_text(encoded.dataset)}" + (f" for {backbone}" if backbone else "")

        def on_image(count: int) -> None:
            bar.show(count / len(listing), f"{what}: {count}/{len(listing)} images", count in (0, len(listing)))

        try:
            return make_inputs(encoded, listing, runner, on_image)
        finally:
            bar.close()

    folder = entry_of(encoded, listing, cache)
    entry = load_or_make(folder, make)
    _check_form(encoded, entry.inputs, folder)
    return entry


def make_inputs(
    encoded: EncodedDataset,
    listing: ImageListing,
    runner: BackboneRunner = run_here,
    on_image: Callable[[int], None] = lambda count: None,
) -> tuple[Tensor, list[str]]:
    """The inputs of a dataset's encoder for some images, and the digests of these; raises what `prepare` does."""
    backbone = backbone_of(encoded.encoder)
    if backbone:
        network = load_backbone(backbone, encoded.weights, encoded.preprocessing.get("weights"))
        return _features(listing, backbone, network, runner, on_image)
    channels, side, _ = encoded.input_shape
    return decode_images(listing, side, channels, CORES, on_image)


def _check_form(encoded: EncodedDataset, inputs: Tensor, folder: Path) -> None:
    """Raises `DatasetError` if a dataset's inputs have not the shape and the kind of numbers that its encoder reads."""
    shape = (encoded.samples, *encoded.input_shape)
    kind = torch.float32 if backbone_of(encoded.encoder) else torch.uint8
    if tuple(inputs.shape) != shape or inputs.dtype != kind:
        raise DatasetError(
            f"the cached inputs of {encoded.dataset} in {folder} have the shape {tuple(inputs.shape)} "
            f"({inputs.dtype}), and not {shape} ({kind}): remove that folder, and they are made again"
        )


def _features(
    listing: ImageListing,
    backbone: str,
    model: torch.nn.Module,
    runner: BackboneRunner,
    on_image: Callable[[int], None],
) -> tuple[Tensor, list[str]]:
    """The features of all images, and the digests of their files."""
    digests = [""] * len(listing)

    def read(position: int) -> Image.Image:
        image, digests[position] = read_image(listing, position)
        return image

    network = runner(backbone, model)
    on_image(0)  # a machine for the network may take minutes to start
    return extract_features(network, backbone, read, len(listing), CORES, on_image), digests


def entry_of(encoded: EncodedDataset, listing: ImageListing, cache: Path) -> Path:
    """The folder of the cache that holds a dataset's inputs, or will."""
    backbone = backbone_of(encoded.encoder)
    recipe = {"images": fingerprint(listing), **encoded.preprocessing}
    return entry_folder(cache, f"{encoded.dataset} {backbone or 'pixels'}", recipe)
