"""The images of a dataset on disk: where they are, and their classes and parts."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from trainables.datasets.digests import array_digest
from trainables.datasets.errors import DatasetError, LargeImageError
from trainables.datasets.files.regular import read_regular

SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".webp"})
_FORMATS = ("JPEG", "PNG", "BMP", "WEBP")  # what the suffixes mean: others start programs, as EPS does Ghostscript
_LARGEST = 1 << 28  # bytes of an image's file
MOST_PIXELS = 1 << 26  # of an image, 268 MB unfolded: more than a photograph of 50 megapixels has


@dataclass(frozen=True)
class ImageListing:
    """The images of a dataset, with their classes and parts.

    Attributes:
        images: (N,) files, or uint8 pixels (N, H, W) or (N, H, W, 3) if one file of the dataset holds many images.
        labels: (N,) positions in `classes`.
        classes: Names in the dataset's own order.
        test: (N,) whether an image is in the official test part; None if there is no official test part.
        most_pixels: Width times height that an image in a file may have.
    """

    images: Sequence[Path] | npt.NDArray[np.uint8]
    labels: Sequence[int]
    classes: Sequence[str]
    test: Sequence[bool] | None
    most_pixels: int = MOST_PIXELS

    def __len__(self) -> int:
        return len(self.labels)

    def describe(self, position: int) -> str:
        """The name of an image in a message: its file, or its number."""
        image = self.images[position]
        return str(image) if isinstance(image, Path) else f"image {position}"


def read_image(listing: ImageListing, position: int) -> tuple[Image.Image, str]:
    """Reads an image, and takes the digest of its file or pixels.

    Raises:
        DatasetError: If the file is truncated or is no image.
        LargeImageError: If it has more than `most_pixels`, before it is unfolded.
    """
    image = listing.images[position]
    if not isinstance(image, Path):
        return Image.fromarray(image), hashlib.sha256(image.tobytes()).hexdigest()
    try:
        content = read_regular(image, _LARGEST)
        with _opened(content, listing.most_pixels) as opened:
            width, height = opened.size
            if width * height > listing.most_pixels:
                raise LargeImageError(
                    f"{image} has {width} x {height} pixels, more than {listing.most_pixels}: make it smaller"
                )
            opened.load()
            return _eight_bit(opened), hashlib.sha256(content).hexdigest()
    except DatasetError:
        raise
    except Image.DecompressionBombError as error:
        raise LargeImageError(f"{image} has too many pixels ({error}): make it smaller") from None
    except Exception as error:  # a broken or hostile file may cause any exception
        reason = " ".join(str(error).replace(str(image), "it").split())[:200] or type(error).__name__
        raise DatasetError(f"{image} is broken or no image ({reason})") from None


def _opened(content: bytes, most_pixels: int) -> Image.Image:
    """Opens an image without unfolding it."""
    pillows = Image.MAX_IMAGE_PIXELS  # for the whole process; Pillow warns above it, and refuses twice as many
    if most_pixels > MOST_PIXELS and pillows is not None and most_pixels > pillows:
        Image.MAX_IMAGE_PIXELS = most_pixels
    return Image.open(BytesIO(content), formats=_FORMATS)


def _eight_bit(image: Image.Image) -> Image.Image:
    """The image itself, loaded, with 8 bits a channel. 16-bit greys are scaled here, because Pillow would clip them."""
    if image.mode == "F":
        raise ValueError("its pixels are floating-point numbers")
    if not image.mode.startswith("I"):
        return image  # no copy: it may fill much of the memory
    pixels = np.asarray(image, dtype=np.float64)
    return Image.fromarray((pixels / 257.0).round().clip(0, 255).astype(np.uint8))


def check_classes(listing: ImageListing, where: object) -> ImageListing:
    """Returns the listing if every class has at least two images, which is what a positive pair needs.

    Args:
        listing: What to check.
        where: The dataset's name or folder, for the message.

    Raises:
        DatasetError: If a class has fewer images, or there are no images.
    """
    if not len(listing):
        raise DatasetError(f"{where} holds no images")
    counts = np.bincount(np.asarray(listing.labels), minlength=len(listing.classes))
    for name, count in zip(listing.classes, counts, strict=True):
        if count < 2:
            raise DatasetError(f"{where}: class {name!r} needs at least 2 images, it has {count}")
    return listing


def fingerprint(listing: ImageListing) -> str:
    """A hash that changes when the dataset changes: of the names, sizes and times of files, or of the pixels.

    It reads no files, so it is cheap enough for every start.
    """
    digest = hashlib.sha256()
    if isinstance(listing.images, np.ndarray):
        digest.update(array_digest(listing.images).encode())
    else:
        for path in listing.images:
            status = path.stat()
            # Copying programs may restore the time of modification, but not the time of change.
            times = f"{status.st_mtime_ns}\0{status.st_ctime_ns}"
            digest.update(os.fsencode(f"{path}\0{status.st_size}\0{times}\n"))
    digest.update(np.asarray(listing.labels, dtype=np.int64).tobytes())
    digest.update("\0".join(listing.classes).encode())
    digest.update(b"" if listing.test is None else np.asarray(listing.test, dtype=bool).tobytes())
    return digest.hexdigest()
