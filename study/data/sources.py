"""Finds every dataset and weight file of a study before anything is computed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

import torch

from analysis.limits import raised
from analysis.plain_text import message_text, name_text
from study.config.model import StudyConfig, augments
from trainables.datasets.downloads import DOWNLOADS, download_dataset, download_weights
from trainables.datasets.errors import DatasetError, MissingFilesError
from trainables.datasets.files.regular import file_digest
from trainables.datasets.listing import MOST_PIXELS, ImageListing
from trainables.datasets.official import OFFICIAL
from trainables.datasets.registry import dataset_info, list_images, official_test, study_name, vector_shape
from trainables.datasets.splits import divide, training_classes
from trainables.datasets.synthetic import check_draws
from trainables.networks.backbones import feature_dim, find_weights, published_weights, weight_file_name
from trainables.networks.encoders import backbone_of
from trainables.pack import DatasetKey

T = TypeVar("T")


@dataclass(frozen=True)
class EncodedDataset:
    """A dataset as one encoder reads it, described without its content.

    Attributes:
        dataset: Name of the dataset in the study.
        encoder: Name of the encoder.
        split: ``"closed"`` or ``"disjoint"``.
        sampler: ``"shuffle"`` or ``"pk"``.
        augment: Whether training images are cropped and flipped.
        samples: Number of samples.
        classes: Number of classes, over training, validation and test data.
        input_shape: Shape of a sample as the encoder's network reads it.
        listing: The images; None for a dataset of vectors.
        weights: The backbone's weight file; None without a backbone.
    """

    dataset: str
    encoder: str
    split: str
    sampler: str
    augment: bool
    samples: int
    classes: int
    input_shape: tuple[int, ...]
    listing: ImageListing | None = field(default=None, repr=False)
    weights: Path | None = None

    @property
    def key(self) -> DatasetKey:
        """The dataset and the encoder by name."""
        return DatasetKey(self.dataset, self.encoder)

    @cached_property
    def official_test(self) -> torch.Tensor | None:
        """The test part that all seeds share, [N] bool; None where each seed draws its own."""
        return None if self.listing is None else official_test(self.dataset, self.listing, self.split)

    @property
    def shares_test(self) -> bool:
        """Whether all seeds share one test part."""
        return self.official_test is not None

    @cached_property
    def preprocessing(self) -> dict[str, Any]:
        """Everything that turns an image into the encoder's input."""
        backbone = backbone_of(self.encoder)
        if backbone is None or self.weights is None:
            return {"shape": self.input_shape}
        transforms = str(published_weights(backbone).transforms())
        return {"backbone": backbone, "weights": file_digest(self.weights), "transforms": transforms}


class DatasetsError(RuntimeError):
    """Everything that is missing or wrong, line by line."""


def find_datasets(config: StudyConfig, only_plan: bool = False) -> tuple[list[EncodedDataset], list[str]]:
    """Finds the datasets of a study. With `download`, missing files are fetched first.

    Args:
        config: The study.
        only_plan: Describes a dataset that is missing by its published numbers of images and classes.

    Returns:
        The datasets, and lines about those that are left out (`skip_missing`), or planned without their files.

    Raises:
        DatasetsError: If something is missing or wrong; lists all of it.
    """
    search = _Search(config, assumes=only_plan and not config.skip_missing)
    found = [search.dataset(dataset, encoder) for dataset, encoder in config.dataset_encoders()]
    datasets = [dataset for dataset in found if dataset is not None]
    if search.wrong or (search.left_out and not config.skip_missing):
        raise DatasetsError("\n".join([*search.wrong, *search.missing_lines()]))
    if not datasets:
        raise DatasetsError(
            "\n".join(["nothing is left of this study without what is missing", *search.missing_lines()])
        )
    if search.missing and not search.left_out:
        planned = "planned from published numbers of images and classes, and without weights"
        return datasets, [f"{planned}; " + "\n".join(search.missing_lines())]
    return datasets, [f"{what} is left out" for what in search.left_out]


class _Search:
    """Collects what is found, missing or wrong, and which datasets need it. Nothing is searched twice."""

    def __init__(self, config: StudyConfig, assumes: bool) -> None:
        self._config = config
        self._assumes = assumes
        self._found: dict[str, object] = {}
        self.wrong: list[str] = []
        self.missing: dict[str, tuple[MissingFilesError, str, list[str]]] = {}
        self.left_out: list[str] = []

    def dataset(self, dataset: str, encoder: str) -> EncodedDataset | None:
        """A dataset with one of its encoders; None if something that it needs is missing or wrong."""
        config, name, info = self._config, study_name(dataset), dataset_info(dataset)
        if not info.channels:
            if info.drawn and not self._is_right(lambda: check_draws(name, config.synthetic)):
                return None
            samples, classes, dim = vector_shape(name, config.synthetic)
            sampler = self._sampler(name, classes)
            return EncodedDataset(name, encoder, "closed", sampler, False, samples, classes, (dim,))

        backbone = backbone_of(encoder)
        listing = self._find(
            name,
            name,
            lambda: replace(list_images(dataset, config.data_root), most_pixels=raised(MOST_PIXELS)),
            (lambda: download_dataset(name, config.data_root)) if name in DOWNLOADS else None,
        )
        weights = self._find_weights(backbone, name) if backbone else None
        shape = listing or (_published(name) if self._assumes else None)
        if shape is None or (backbone and weights is None and not self._assumes):
            absent = name if listing is None else f"weights of {backbone}"
            self.left_out.append(message_text(f"{name} read by {encoder} ({absent} missing)"))
            return None
        split = config.split if config.split and info.either_split else info.split
        labels, test = torch.tensor(shape.labels), official_test(name, shape, split)
        if not self._is_right(lambda: divide(name, labels, split, test)):
            return None
        side = info.side or config.image_size
        return EncodedDataset(
            dataset=name,
            encoder=encoder,
            split=split,
            sampler=self._sampler(name, training_classes(labels, split, test)),
            augment=config.augment and augments(dataset, encoder),
            samples=len(shape),
            classes=len(shape.classes),
            input_shape=(feature_dim(backbone),) if backbone else (info.channels, side, side),
            listing=listing,
            weights=weights,
        )

    def _is_right(self, check: Callable[[], object]) -> bool:
        """Whether a check of a dataset's size passes; what it raises is listed once."""
        try:
            check()
        except DatasetError as error:
            if message_text(error) not in self.wrong:
                self.wrong.append(message_text(error))
            return False
        return True

    def missing_lines(self) -> list[str]:
        """For each missing thing: where it was searched, where it can be had, and how to continue without it."""
        lines = [f"{len(self.missing)} of the study's files {'is' if len(self.missing) == 1 else 'are'} missing:"]
        for error, download, users in self.missing.values():
            lines.append(f"  {message_text(error.what)}{_needed_by(error.what, users)}")
            lines.append(f"      looked for  {message_text(error.searched)}")
            lines.append(f"      to get it   {message_text(f'{download}{error.remedy}')}")
            lines.append(f"      without it  {self._without(error.what, users)}")
        return lines if self.missing else []

    def _without(self, what: str, users: list[str]) -> str:
        if what in users:
            return "--skip-missing, or leave it out of --datasets"
        return f"--skip-missing, or --encoder {' '.join(f'{name_text(user)}=cnn' for user in users)}"

    def _sampler(self, dataset: str, classes: int) -> str:
        """P x K if a shuffled batch would hold fewer than two images of a class on average."""
        config = self._config
        if config.sampler != "auto":
            return config.sampler
        smallest = min(config.batch_size.all)
        if smallest >= 2 * classes:
            return "shuffle"
        if smallest < 2 * config.samples_per_class:
            self.wrong.append(
                f"--batch-size: {name_text(dataset)} has {classes} classes to train on, and batches of "
                f"{smallest} do not hold two of them with {config.samples_per_class} samples each; raise it, "
                "or ask for --sampler shuffle"
            )
        return "pk"

    def _find_weights(self, backbone: str, dataset: str) -> Path | None:
        from torch.hub import get_dir

        folder = self._config.data_root / "weights"
        folders = [folder, Path(get_dir()) / "checkpoints"]
        return self._find(
            f"weights of {backbone}",
            dataset,
            lambda: find_weights(backbone, self._config.weights.get(backbone), folders),
            lambda: download_weights(str(published_weights(backbone).url), folder / weight_file_name(backbone)),
        )

    def _find(self, key: str, user: str, search: Callable[[], T], fetch: Callable[[], None] | None) -> T | None:
        """Returns what `search` finds; None if that is missing or wrong.

        Args:
            key: Name of what is searched.
            user: Name of the dataset that needs it.
            search: Finds it, or raises `MissingFilesError`.
            fetch: Downloads it; None if it cannot be downloaded. Called if it is missing and downloads are wanted.
        """
        if key in self.missing:
            users = self.missing[key][2]
            if user not in users:
                users.append(user)
        if key not in self._found:
            self._found[key] = self._search(key, user, search, fetch)
        return self._found[key]  # type: ignore[return-value]

    def _search(self, key: str, user: str, search: Callable[[], T], fetch: Callable[[], None] | None) -> T | None:
        try:
            try:
                return search()
            except MissingFilesError as error:
                hint = "--download fetches it, from " if fetch else ""
                if fetch and self._config.download:
                    try:
                        fetch()
                        return search()
                    except DatasetError as failure:
                        hint = f"{failure}; by hand: "
                self.missing[key] = (error, hint, [user])
        except DatasetError as error:
            self.wrong.append(message_text(error))
        return None


def _published(name: str) -> ImageListing | None:
    """A dataset's published numbers of images and classes, without images; None for a folder, of which none are."""
    official = OFFICIAL.get(name)
    if official is None:
        return None
    labels = [position % official.classes for position in range(official.samples)]
    return ImageListing([], labels, [str(label) for label in range(official.classes)], None)


def _needed_by(what: str, users: list[str]) -> str:
    return "" if what in users else f", for {', '.join(map(name_text, users))}"
