"""Fetching datasets and weights, when asked to."""

from __future__ import annotations

import tarfile
import tempfile
from pathlib import Path

from trainables.datasets.faults import DatasetError

CUB200_URL = "https://data.caltech.edu/records/65de6-vp158/files/CUB_200_2011.tgz"
CUB200_MD5 = "97eceeb196236b17998738112f37df78"  # pragma: allowlist secret


class DownloadError(DatasetError):
    """A download that failed, and why."""


def download_dataset(name: str, root: Path) -> None:
    """Fetches ``mnist``, ``cifar10`` or ``cub200`` into its official folder under a root, checked by digest.

    Raises:
        DownloadError: If there is no network, or what came is not what was published.
    """
    from torchvision.datasets import CIFAR10, MNIST

    try:
        root.mkdir(parents=True, exist_ok=True)
        if name == "mnist":
            for train in (True, False):
                MNIST(str(root), train=train, download=True)
        elif name == "cifar10":
            fetch_archive(CIFAR10.url, CIFAR10.tgz_md5, root)
        else:
            fetch_archive(CUB200_URL, CUB200_MD5, root)
    except (OSError, RuntimeError, tarfile.TarError) as error:
        raise DownloadError(f"downloading {name} failed ({' '.join(str(error).split())[:200]})") from None


def download_weights(url: str, file: Path) -> None:
    """Fetches a weight file whose name holds the start of its SHA-256.

    Raises:
        DownloadError: If there is no network, or the digest is another.
    """
    from torch.hub import download_url_to_file

    prefix = file.stem.rpartition("-")[2]
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        download_url_to_file(url, str(file), hash_prefix=prefix)
    except (OSError, RuntimeError) as error:
        raise DownloadError(f"downloading {file.name} failed ({' '.join(str(error).split())[:200]})") from None


def fetch_archive(url: str, md5: str, root: Path) -> None:
    """Downloads a tar archive into a root and unpacks it there, whole or not at all.

    Only plain files inside the archive's own folders are unpacked (tarfile's data filter).

    Raises:
        OSError, RuntimeError, tarfile.TarError: As the parts do.
    """
    from torchvision.datasets.utils import download_url

    download_url(url, str(root), md5=md5)
    archive = root / url.rpartition("/")[2]
    with tempfile.TemporaryDirectory(dir=root) as scratch:
        unpack(archive, Path(scratch))
        for entry in Path(scratch).iterdir():
            entry.rename(root / entry.name)
    archive.unlink()


def unpack(archive: Path, folder: Path) -> None:
    """Unpacks a tar archive with tarfile's data filter.

    Raises:
        RuntimeError: If this Python's tarfile has no such filter.
    """
    if not hasattr(tarfile, "data_filter"):
        raise RuntimeError("this Python cannot unpack archives safely: use 3.10.12, 3.11.4 or newer")
    with tarfile.open(archive) as opened:
        opened.extractall(folder, filter="data")
