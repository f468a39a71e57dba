"""Reading the pixels of a listing, once."""

from __future__ import annotations

import hashlib
from collections.abc import Callable

import torch
from PIL import Image, ImageOps, UnidentifiedImageError
from torch import Tensor

from trainables.datasets.image_files import DatasetError, ImageListing


def decode_images(listing: ImageListing, size: int, on_image: Callable[[int], None] | None = None) -> Tensor:
    """All images of a listing, scaled to cover a square, its centre cut out.

    Greyscale images become three equal channels.

    Args:
        listing: What to read.
        size: Side of the square in pixels.
        on_image: Called with the number of images read so far.

    Returns:
        [N, 3, size, size] uint8.

    Raises:
        DatasetError: If an image is truncated or no image.
    """
    result = torch.empty(len(listing.paths), 3, size, size, dtype=torch.uint8)
    for position, path in enumerate(listing.paths):
        try:
            with Image.open(path) as image:
                square = ImageOps.fit(image.convert("RGB"), (size, size), Image.Resampling.BICUBIC)
        except (OSError, UnidentifiedImageError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
            raise DatasetError(f"{path} is broken or no image ({' '.join(str(error).split())})") from None
        pixels = torch.frombuffer(bytearray(square.tobytes()), dtype=torch.uint8)
        result[position] = pixels.view(size, size, 3).permute(2, 0, 1)
        if on_image:
            on_image(position + 1)
    return result


def check_leakage(listing: ImageListing, test: Tensor) -> None:
    """Makes sure that no image, by the digest of its file, stands on both sides of a split.

    Args:
        listing: The images.
        test: Positions of the test part.

    Raises:
        DatasetError: Naming the two files.
    """
    is_test = torch.zeros(len(listing.paths), dtype=torch.bool)
    is_test[test] = True
    seen: dict[tuple[str, bool], int] = {}
    for position, path in enumerate(listing.paths):
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        side = bool(is_test[position])
        twin = seen.get((digest, not side))
        if twin is not None:
            raise DatasetError(f"{path} and {listing.paths[twin]} are the same image, in training and in test data")
        seen[digest, side] = position
