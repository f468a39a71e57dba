"""The pixels of the images in a listing."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor

from trainables.datasets.listing import ImageListing, read_image


def decode_images(
    listing: ImageListing,
    size: int,
    channels: int = 3,
    workers: int = 1,
    on_image: Callable[[int], None] | None = None,
) -> tuple[Tensor, list[str]]:
    """Reads all images of a listing, scales each so that it covers a square, and cuts out the centre.

    Args:
        listing: The images.
        size: Side of the square in pixels.
        channels: 3, or 1 for greyscale. Other images are converted as Pillow does it.
        workers: Threads that read.
        on_image: Called with the number of images read so far.

    Returns:
        [N, channels, size, size] uint8, and the digest of each image.

    Raises:
        DatasetError: If a file is truncated, is no image, or has too many pixels.
    """

    def read(position: int) -> tuple[Tensor, str]:
        image, digest = read_image(listing, position)
        mode = "RGB" if channels == 3 else "L"
        image = image if image.mode == mode else image.convert(mode)
        if image.size != (size, size):
            image = ImageOps.fit(image, (size, size), Image.Resampling.BICUBIC)
        pixels = torch.frombuffer(bytearray(image.tobytes()), dtype=torch.uint8)
        return pixels.view(size, size, channels).permute(2, 0, 1), digest

    images = listing.images
    if isinstance(images, np.ndarray) and images.shape[1:] == ((size, size) if channels == 1 else (size, size, 3)):
        digests = [hashlib.sha256(pixels.tobytes()).hexdigest() for pixels in images]
        return torch.from_numpy(images).view(len(listing), size, size, channels).permute(0, 3, 1, 2), digests

    result = torch.empty(len(listing), channels, size, size, dtype=torch.uint8)
    digests = []
    pool = ThreadPoolExecutor(workers)
    try:
        for position, (pixels, digest) in enumerate(pool.map(read, range(len(listing)))):
            result[position] = pixels
            digests.append(digest)
            if on_image:
                on_image(position + 1)
    finally:
        pool.shutdown(cancel_futures=True)
    return result, digests
