"""Random crops and flips of images. Drawing them is separate from applying them."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import pad

PADDING = 4  # pixels on each side, the usual value for 32 x 32 images


def draw_crops(count: int, generator: torch.Generator) -> Tensor:
    """Draws [count, 3] integers: the shifts of each image by rows and columns (0 to 8), and whether to flip it."""
    shifts = torch.randint(0, 2 * PADDING + 1, (count, 2), generator=generator)
    flips = torch.randint(0, 2, (count, 1), generator=generator)
    return torch.cat([shifts, flips], 1)


def crop_and_flip(images: Tensor, crops: Tensor) -> Tensor:
    """Pads each image with 4 black pixels on each side, cuts out a window of its size, and may mirror it.

    Args:
        images: [K, B, C, H, W].
        crops: [K, B, 3] from `draw_crops`.

    Returns:
        [K, B, C, H, W].
    """
    height, width = images.shape[-2:]
    members, batch = images.shape[:2]
    rows = crops[..., :1] + torch.arange(height, device=images.device)
    columns = torch.arange(width, device=images.device)
    columns = crops[..., 1:2] + torch.where(crops[..., 2:] == 1, width - 1 - columns, columns)
    member = torch.arange(members, device=images.device)[:, None, None, None]
    sample = torch.arange(batch, device=images.device)[None, :, None, None]
    padded = pad(images, (PADDING,) * 4).permute(0, 1, 3, 4, 2)
    return padded[member, sample, rows[..., :, None], columns[..., None, :]].permute(0, 1, 4, 2, 3)
