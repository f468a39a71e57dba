"""Downloads of datasets and weights."""

from __future__ import annotations

import tarfile
import tempfile
from collections.abc import Callable
from pathlib import Path

from trainables.datasets.errors import DatasetError
from trainables.datasets.files.archives import unpack
from trainables.datasets.files.regular import open_regular, stream_digest

CUB200_URL = "https://data.caltech.edu/records/65de6-vp158/files/CUB_200_2011.tgz"
CUB200_MD5 = "97eceeb196236b17998738112f37df78"  # pragma: allowlist secret


class DownloadError(DatasetError):
    """A download failed; the message says why."""


def fetch_mnist(root: Path) -> None:
    """Downloads MNIST as torchvision does; raises what `fetch_archive` does."""
    from torchvision.datasets import MNIST

    for train in (True, False):
        MNIST(str(root), train=train, download=True)


def fetch_cifar10(root: Path) -> None:
    """Downloads CIFAR-10 from where torchvision has it; raises what `fetch_archive` does."""
    from torchvision.datasets import CIFAR10

    fetch_archive(CIFAR10.url, CIFAR10.tgz_md5, root)


def fetch_cub200(root: Path) -> None:
    """Downloads CUB-200-2011; raises what `fetch_archive` does."""
    fetch_archive(CUB200_URL, CUB200_MD5, root)


# Each makes a dataset's official folder under a root, and checks the digest. What is not here cannot be downloaded.
DOWNLOADS: dict[str, Callable[[Path], None]] = {
    "mnist": fetch_mnist,
    "cifar10": fetch_cifar10,
    "cub200": fetch_cub200,
}


def download_dataset(name: str, root: Path) -> None:
    """Downloads a dataset of `DOWNLOADS` into its official folder under a root, and checks the digest.

    Raises:
        DownloadError: If there is no network, or the digest is wrong.
    """
    try:
        root.mkdir(parents=True, exist_ok=True)
        DOWNLOADS[name](root)
    except (OSError, RuntimeError, tarfile.TarError) as error:
        raise DownloadError(f"downloading {name} failed ({' '.join(str(error).split())[:200]})") from None


def download_weights(url: str, file: Path) -> None:
    """Downloads a weight file and checks its SHA-256, whose start is part of the file's name.

    Raises:
        DownloadError: If there is no network, or the digest is wrong.
    """
    from torch.hub import download_url_to_file

    prefix = file.stem.rpartition("-")[2]
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        download_url_to_file(url, str(file), hash_prefix=prefix)
    except (OSError, RuntimeError) as error:
        raise DownloadError(f"downloading {file.name} failed ({' '.join(str(error).split())[:200]})") from None


def fetch_archive(url: str, md5: str, root: Path) -> None:
    """Downloads a tar archive into a root and unpacks it there, completely or not at all.

    The archive cannot write outside the root (see `unpack`).

    Raises:
        OSError, RuntimeError, tarfile.TarError: If the download, the check of the digest or the unpacking fails.
    """
    from torchvision.datasets.utils import download_url

    download_url(url, str(root), md5=md5)
    archive = root / url.rpartition("/")[2]
    # Checked again where it is unpacked: another file may stand under the name by now.
    with open_regular(archive) as opened, tempfile.TemporaryDirectory(dir=root) as scratch:
        if stream_digest(opened, "md5") != md5:
            raise RuntimeError(f"{archive} has changed since it was downloaded")
        opened.seek(0)
        unpack(opened, Path(scratch))
        for entry in Path(scratch).iterdir():
            entry.rename(root / entry.name)
    archive.unlink()
