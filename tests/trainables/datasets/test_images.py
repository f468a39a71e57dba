"""The pixels of small images made here."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, ImageOps
from PIL.PngImagePlugin import PngImageFile

from tests.trainables.images import save
from trainables.datasets import listing
from trainables.datasets.errors import DatasetError, LargeImageError
from trainables.datasets.image_files import list_image_folder
from trainables.datasets.images import decode_images
from trainables.datasets.listing import ImageListing, read_image


def test_images_are_cut_square_and_greyscale_ones_have_three_channels(tmp_path: Path) -> None:
    save(tmp_path / "a" / "colour.png", 1)
    save(tmp_path / "a" / "grey.png", 2, mode="L")
    pixels, digests = decode_images(list_image_folder(tmp_path), 8)
    assert len(set(digests)) == 2
    assert (pixels.shape, pixels.dtype) == ((2, 3, 8, 8), torch.uint8)
    assert not torch.equal(pixels[0, 0], pixels[0, 1])
    assert torch.equal(pixels[1, 0], pixels[1, 1])


def test_sixteen_bit_greys_are_scaled_and_not_clipped(tmp_path: Path) -> None:
    ramp = np.linspace(0, 65535, 64).reshape(8, 8).astype(np.uint16)
    for number in range(2):
        (tmp_path / "a").mkdir(exist_ok=True)
        Image.fromarray(ramp).save(tmp_path / "a" / f"{number}.png")
    pixels, _ = decode_images(list_image_folder(tmp_path), 8)
    assert np.array_equal(pixels[0, 0].numpy(), (ramp / 257).round().astype(np.uint8))


@pytest.mark.parametrize("content", [b"", b"not an image", None])
def test_a_broken_image_is_named(tmp_path: Path, content: bytes | None) -> None:
    save(tmp_path / "a" / "fine.jpg", 1)
    broken = save(tmp_path / "a" / "broken.jpg", 2, size=(64, 64))
    broken.write_bytes(broken.read_bytes()[:500] if content is None else content)
    with pytest.raises(DatasetError, match=r"broken\.jpg is broken or no image"):
        decode_images(list_image_folder(tmp_path), 8)


class StartedError(BaseException):
    """A program was started."""


@pytest.mark.parametrize("kind", ["EPS", "TIFF", "GIF", "PPM", "ICO"])
@pytest.mark.parametrize("suffix", ["jpg", "png"])
def test_an_image_of_a_kind_that_its_suffix_does_not_mean_is_not_opened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, suffix: str
) -> None:
    def started(*_: object, **options: object) -> None:
        raise StartedError

    monkeypatch.setattr("subprocess.Popen", started)
    monkeypatch.setattr("PIL.EpsImagePlugin.gs_binary", "gs")
    save(tmp_path / "a" / "fine.jpg", 1)
    Image.new("RGB", (20, 20)).save(tmp_path / "a" / f"odd.{suffix}", format=kind)
    with pytest.raises(DatasetError, match=rf"odd\.{suffix} is broken or no image"):
        decode_images(list_image_folder(tmp_path), 8)


def test_an_image_whose_suffix_means_another_known_kind_is_read(tmp_path: Path) -> None:
    for name, kind in (("a.jpg", "PNG"), ("b.png", "JPEG"), ("c.bmp", "WEBP"), ("d.jpg", "MPO")):
        (tmp_path / "a").mkdir(exist_ok=True)
        Image.new("RGB", (20, 20)).save(tmp_path / "a" / name, format=kind)
    assert decode_images(list_image_folder(tmp_path), 8)[0].shape == (4, 3, 8, 8)


def test_an_image_of_more_pixels_than_a_photograph_is_refused_before_it_is_unfolded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save(tmp_path / "a" / "fine.png", 1, size=(5, 5))
    bomb = tmp_path / "a" / "bomb.png"
    Image.new("1", (8193, 8192)).save(bomb)
    assert bomb.stat().st_size < 20_000
    monkeypatch.setattr(PngImageFile, "load", None)
    with pytest.raises(LargeImageError, match=r"bomb\.png has 8193 x 8192 pixels, more than 67108864") as raised:
        read_image(list_image_folder(tmp_path), 0)
    assert "\n" not in str(raised.value)


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
def test_whoever_calls_may_raise_the_limit_on_pixels_and_pillows_with_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    monkeypatch.setattr(listing, "MOST_PIXELS", 90)
    for number in range(2):
        save(tmp_path / "a" / f"{number}.png", number, size=(50, 50))
    images = list_image_folder(tmp_path)
    with pytest.raises(LargeImageError, match=r"0\.png has 50 x 50 pixels"):
        decode_images(replace(images, most_pixels=2499), 8)
    assert decode_images(replace(images, most_pixels=2500), 8)[0].shape == (2, 3, 8, 8)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK"])
def test_an_image_that_needs_no_conversion_is_the_same_as_a_converted_copy(tmp_path: Path, mode: str) -> None:
    suffix = "jpg" if mode == "CMYK" else "png"
    for number in range(2):
        save(tmp_path / "a" / f"{number}.{suffix}", number, size=(13, 9), mode=mode)
    for channels, wanted in ((1, "L"), (3, "RGB")):
        pixels, _ = decode_images(list_image_folder(tmp_path), 8, channels)
        with Image.open(tmp_path / "a" / f"0.{suffix}") as opened:
            fitted = ImageOps.fit(opened.copy().convert(wanted), (8, 8), Image.Resampling.BICUBIC)
        assert np.array_equal(pixels[0].permute(1, 2, 0).numpy().squeeze(), np.asarray(fitted))


def test_a_decompression_bomb_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    save(tmp_path / "a" / "fine.jpg", 1, size=(5, 5))
    save(tmp_path / "a" / "bomb.png", 2, size=(50, 50))
    with pytest.raises(LargeImageError, match=r"bomb\.png has too many pixels .*: make it smaller") as raised:
        decode_images(list_image_folder(tmp_path), 8)
    assert "\n" not in str(raised.value)


def test_an_image_that_becomes_a_fifo_after_the_listing_is_not_waited_for(tmp_path: Path) -> None:
    for number in range(2):
        save(tmp_path / "a" / f"{number}.jpg", number)
    listing = list_image_folder(tmp_path)
    (tmp_path / "a" / "1.jpg").unlink()
    os.mkfifo(tmp_path / "a" / "1.jpg")
    with pytest.raises(DatasetError, match=r"1\.jpg is no regular file"):
        decode_images(listing, 8)


def test_many_threads_give_the_same_pixels_as_one(tmp_path: Path) -> None:
    for number in range(20):
        save(tmp_path / "a" / f"{number}.jpg", number)
    listing = list_image_folder(tmp_path)
    pixels, digests = decode_images(listing, 8, workers=4)
    alone, same_digests = decode_images(listing, 8)
    assert torch.equal(pixels, alone)
    assert digests == same_digests
    with Image.open(listing.images[7]) as image:
        expected = ImageOps.fit(image.convert("RGB"), (8, 8), Image.Resampling.BICUBIC)
    assert np.array_equal(pixels[7].permute(1, 2, 0).numpy(), np.array(expected))


@pytest.mark.parametrize("channels", [1, 3])
def test_pixels_of_the_right_size_do_not_change(channels: int) -> None:
    pixels = np.random.default_rng(0).integers(0, 255, (5, 8, 8, channels), dtype=np.uint8)
    listing = ImageListing(pixels[..., 0] if channels == 1 else pixels, [0] * 5, ["a"], None)
    decoded, digests = decode_images(listing, 8, channels)
    assert np.array_equal(decoded.permute(0, 2, 3, 1).numpy(), pixels)
    scaled, same = decode_images(listing, 16, channels)
    assert scaled.shape == (5, channels, 16, 16)
    assert digests == same
