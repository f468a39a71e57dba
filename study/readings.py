"""Finding every dataset and weight file that a study needs, before anything is computed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

import torch

from study.config import StudyConfig, augments
from trainables.backbones import feature_dim, find_weights, published_weights, weight_file_name
from trainables.datasets import DatasetError, MissingFilesError, make_dataset
from trainables.datasets.digests import file_digest
from trainables.datasets.downloads import download_dataset, download_weights
from trainables.datasets.listing import ImageListing
from trainables.datasets.official import OFFICIAL
from trainables.datasets.registry import FOLDER, kind_of, list_images, study_name, vector_shape
from trainables.datasets.splits import training_classes
from trainables.encoders import backbone_of

T = TypeVar("T")


@dataclass(frozen=True)
class Reading:
    """A dataset as one encoder reads it.

    Attributes:
        dataset: Its name in the study.
        encoder: Name of the encoder.
        split: ``"closed"`` or ``"disjoint"``.
        sampler: ``"shuffle"`` or ``"pk"``.
        augment: Whether training images are cropped and flipped.
        samples: N.
        classes: Of all parts.
        input_shape: Of a sample as the encoder's network sees it.
        listing: The images; None for a dataset of vectors.
        weights: The backbone's file; None where there is no backbone.
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

    @cached_property
    def treatment(self) -> dict[str, Any]:
        """All that happens to an image before it is inputs."""
        backbone = backbone_of(self.encoder)
        if backbone is None or self.weights is None:
            return {"shape": self.input_shape}
        transforms = str(published_weights(backbone).transforms())
        return {"backbone": backbone, "weights": file_digest(self.weights), "transforms": transforms}


class ReadingsError(RuntimeError):
    """What is missing or wrong, all of it."""


def find_readings(config: StudyConfig) -> tuple[list[Reading], list[str]]:
    """The readings of a study, and one line for each that is left out (`skip_missing`).

    With `download`, what is missing is fetched first.

    Raises:
        ReadingsError: If something is missing, or not as it should be: one list of everything.
    """
    search = _Search(config)
    readings = [reading for dataset, encoder in config.readings() if (reading := search.reading(dataset, encoder))]
    if search.wrong or (search.missing and not config.skip_missing):
        raise ReadingsError("\n".join([*search.wrong, *search.missing_lines()]))
    if not readings:
        raise ReadingsError(
            "\n".join(["nothing is left of this study without what is missing", *search.missing_lines()])
        )
    return readings, [f"{what} is left out" for what in search.left_out]


class _Search:
    """What was found, what was not, and for which readings; nothing is looked for twice."""

    def __init__(self, config: StudyConfig) -> None:
        self._config = config
        self._found: dict[str, object] = {}
        self.wrong: list[str] = []
        self.missing: dict[str, tuple[MissingFilesError, str, list[str]]] = {}
        self.left_out: list[str] = []

    def reading(self, dataset: str, encoder: str) -> Reading | None:
        config, name, kind = self._config, study_name(dataset), kind_of(dataset)
        if not kind.channels:
            samples, classes, dim = vector_shape(name, config.synthetic)
            return Reading(name, encoder, "closed", self._sampler(name, classes), False, samples, classes, (dim,))

        backbone = backbone_of(encoder)
        listing = self._find(
            name,
            name,
            lambda: list_images(dataset, config.data_root),
            (lambda: download_dataset(name, config.data_root)) if _downloads(name) else None,
        )
        weights = self._find_weights(backbone, name) if backbone else None
        if listing is None or (backbone and weights is None):
            lacking = name if listing is None else f"weights of {backbone}"
            self.left_out.append(f"{name} read by {encoder} ({lacking} missing)")
            return None
        split = config.split if config.split and kind.either_split else kind.split
        try:
            _check_size(name, listing, split)
        except DatasetError as error:
            if str(error) not in self.wrong:
                self.wrong.append(str(error))
            return None
        classes = len(listing.classes)
        side = kind.side or config.image_size
        return Reading(
            dataset=name,
            encoder=encoder,
            split=split,
            sampler=self._sampler(name, training_classes(classes, split)),
            augment=config.augment and augments(dataset, encoder),
            samples=len(listing),
            classes=classes,
            input_shape=(feature_dim(backbone),) if backbone else (kind.channels, side, side),
            listing=listing,
            weights=weights,
        )

    def missing_lines(self) -> list[str]:
        """For each thing that is missing: what was looked for, where it can be had, and how to go on without it."""
        lines = [f"{len(self.missing)} of the study's files {'is' if len(self.missing) == 1 else 'are'} missing:"]
        for error, download, users in self.missing.values():
            lines.append(f"  {error.what}{_needed_by(error.what, users)}")
            lines.append(f"      looked for  {error.looked}")
            lines.append(f"      to get it   {download}{error.remedy}")
            lines.append(f"      without it  {self._without(error.what, users)}")
        return lines if self.missing else []

    def _without(self, what: str, users: list[str]) -> str:
        if what in users:
            return "--skip-missing, or leave it out of --datasets"
        return f"--skip-missing, or --encoder {' '.join(f'{user}=cnn' for user in users)}"

    def _sampler(self, dataset: str, classes: int) -> str:
        """P x K where a shuffled batch would hold fewer than two images of a class on average."""
        config = self._config
        if config.sampler != "auto":
            return config.sampler
        if config.batch_size >= 2 * classes:
            return "shuffle"
        if config.batch_size < 2 * config.samples_per_class:
            self.wrong.append(
                f"--batch-size: {dataset} has {classes} classes to train on, and batches of {config.batch_size} do not "
                f"hold two of them with {config.samples_per_class} samples each; raise it, or ask for --sampler shuffle"
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

    def _find(self, key: str, user: str, look: Callable[[], T], fetch: Callable[[], None] | None) -> T | None:
        """What `look` finds, after `fetch` if need be and wanted; None if it is missing or wrong."""
        if key in self.missing:
            users = self.missing[key][2]
            if user not in users:
                users.append(user)
        if key not in self._found:
            self._found[key] = self._look(key, user, look, fetch)
        return self._found[key]  # type: ignore[return-value]

    def _look(self, key: str, user: str, look: Callable[[], T], fetch: Callable[[], None] | None) -> T | None:
        try:
            try:
                return look()
            except MissingFilesError as error:
                hint = "--download fetches it, from " if fetch else ""
                if fetch and self._config.download:
                    try:
                        fetch()
                        return look()
                    except DatasetError as failure:
                        hint = f"{failure}; by hand: "
                self.missing[key] = (error, hint, [user])
        except DatasetError as error:
            self.wrong.append(str(error))
        return None


def _check_size(name: str, listing: ImageListing, split: str) -> None:
    """Raises what making the dataset would, without its inputs."""
    test = None if listing.test is None else torch.tensor(listing.test)
    make_dataset(name, torch.empty(len(listing), 0), torch.tensor(listing.labels), split, test)


def _downloads(name: str) -> bool:
    return not name.startswith(FOLDER) and OFFICIAL[name].downloads


def _needed_by(what: str, users: list[str]) -> str:
    return "" if what in users else f", for {', '.join(users)}"
