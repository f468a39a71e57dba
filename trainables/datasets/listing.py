"""What a dataset on disk holds, before any pixel is used."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image, UnidentifiedImageError

from trainables.datasets.digests import array_digest
from trainables.datasets.faults import DatasetError


@dataclass(frozen=True)
class ImageListing:
    """The images of a dataset and what is known of each.

    Attributes:
        images: (N,) files, or (N, H, W) or (N, H, W, 3) uint8 pixels where the dataset's own files hold many images.
        labels: (N,) positions in `classes`.
        classes: Names in the dataset's own order.
        test: (N,) whether an image is of the dataset's own test part; None where it has none.
    """

    images: Sequence[Path] | npt.NDArray[np.uint8]
    labels: Sequence[int]
    classes: Sequence[str]
    test: Sequence[bool] | None

    def __len__(self) -> int:
        return len(self.labels)

    def describe(self, position: int) -> str:
        """What to call an image in a message: its file, or its number."""
        image = self.images[position]
        return str(image) if isinstance(image, Path) else f"image {position}"


def read_image(listing: ImageListing, position: int) -> tuple[Image.Image, str]:
    """An image, and the digest of its file or pixels.

    Raises:
        DatasetError: If the file is truncated or no image.
    """
    image = listing.images[position]
    if not isinstance(image, Path):
        return Image.fromarray(image), hashlib.sha256(image.tobytes()).hexdigest()
    try:
        content = image.read_bytes()
        with Image.open(BytesIO(content)) as opened:
            opened.load()
            return _eight_bit(opened), hashlib.sha256(content).hexdigest()
    except (OSError, UnidentifiedImageError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        reason = " ".join(str(error).replace(str(image), "it").split())
        raise DatasetError(f"{image} is broken or no image ({reason})") from None


def _eight_bit(image: Image.Image) -> Image.Image:
    """The image itself, or its 16-bit greys as 8-bit ones, which Pillow would clip instead of scale."""
    if image.mode == "F":
        raise ValueError("its pixels are floating-point numbers")
    if not image.mode.startswith("I"):
        return image.copy()
    pixels = np.asarray(image, dtype=np.float64)
    return Image.fromarray((pixels / 257.0).round().clip(0, 255).astype(np.uint8))


def check_classes(listing: ImageListing, where: object) -> ImageListing:
    """The listing itself, if every class has the two images that a pair of them takes.

    Raises:
        DatasetError: Naming the first class that has not, or the place that has no image at all.
    """
    if not len(listing):
        raise DatasetError(f"{where} holds no images")
    counts = np.bincount(np.asarray(listing.labels), minlength=len(listing.classes))
    for name, count in zip(listing.classes, counts, strict=True):
        if count < 2:
            raise DatasetError(f"{where}: class {name!r} needs at least 2 images, it has {count}")
    return listing


def fingerprint(listing: ImageListing) -> str:
    """A hash that changes when the files do: of names, sizes and times of files, of the pixels of arrays.

    Cheap enough to be taken at every start: files are not read.
    """
    digest = hashlib.sha256()
    if isinstance(listing.images, np.ndarray):
        digest.update(array_digest(listing.images).encode())
    else:
        for path in listing.images:
            status = path.stat()
            # The time of change, beside that of modification, which copying programs set back.
            times = f"{status.st_mtime_ns}\0{status.st_ctime_ns}"
            digest.update(f"{path}\0{status.st_size}\0{times}\n".encode())
    digest.update(np.asarray(listing.labels, dtype=np.int64).tobytes())
    digest.update("\0".join(listing.classes).encode())
    digest.update(b"" if listing.test is None else np.asarray(listing.test, dtype=bool).tobytes())
    return digest.hexdigest()
