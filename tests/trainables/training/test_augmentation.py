from __future__ import annotations

import torch

from trainables.training.augmentation import PADDING, crop_and_flip, draw_crops


def test_crops_and_flips_are_those_of_plain_slicing() -> None:
    images = torch.rand(2, 6, 3, 10, 12, generator=torch.Generator().manual_seed(0))
    crops = torch.stack([draw_crops(6, torch.Generator().manual_seed(seed)) for seed in (1, 2)])
    ours = crop_and_flip(images, crops)
    bordered = torch.nn.functional.pad(images, (PADDING,) * 4)
    for member in range(2):
        for sample in range(6):
            down, right, flip = crops[member, sample].tolist()
            expected = bordered[member, sample, :, down : down + 10, right : right + 12]
            assert torch.equal(ours[member, sample], expected.flip(-1) if flip else expected)


def test_draws_cover_every_shift_and_both_directions() -> None:
    crops = draw_crops(2000, torch.Generator().manual_seed(0))
    assert set(crops[:, 0].tolist()) == set(crops[:, 1].tolist()) == set(range(2 * PADDING + 1))
    assert 0.4 < float(crops[:, 2].double().mean()) < 0.6
