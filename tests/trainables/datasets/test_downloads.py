"""Downloads from a web server on this machine."""

from __future__ import annotations

import functools
import hashlib
import io
import shutil
import tarfile
import threading
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from trainables.datasets.downloads import DownloadError, download_dataset, fetch_archive


def archive(path: Path, name: str) -> str:
    with tarfile.open(path, "w:gz") as opened:
        member = tarfile.TarInfo(name)
        member.size = 4
        opened.addfile(member, io.BytesIO(b"text"))
    return hashlib.md5(path.read_bytes()).hexdigest()


@pytest.fixture
def address(tmp_path: Path) -> Iterator[str]:
    """A web server for a test's folder."""
    handler = functools.partial(SimpleHTTPRequestHandler, directory=str(tmp_path))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_an_archive_is_downloaded_completely_and_checked(tmp_path: Path, address: str) -> None:
    digest = archive(tmp_path / "birds.tgz", "CUB/images.txt")
    fetch_archive(f"{address}/birds.tgz", digest, tmp_path / "root")
    assert (tmp_path / "root" / "CUB" / "images.txt").read_text() == "text"
    assert [path.name for path in (tmp_path / "root").iterdir()] == ["CUB"]
    with pytest.raises(RuntimeError):
        fetch_archive(f"{address}/birds.tgz", "0" * 32, tmp_path / "other")
    assert not (tmp_path / "other" / "CUB").exists()


def test_an_archive_that_is_exchanged_after_its_check_is_not_unpacked(
    tmp_path: Path, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    digest = archive(tmp_path / "birds.tgz", "CUB/images.txt")
    archive(tmp_path / "evil.tgz", "CUB/evil.txt")

    def download(url: str, root: str, md5: str) -> None:
        Path(root).mkdir()
        shutil.copy(tmp_path / "evil.tgz", Path(root) / "birds.tgz")

    monkeypatch.setattr("torchvision.datasets.utils.download_url", download)
    with pytest.raises(RuntimeError, match="has changed since"):
        fetch_archive(f"{address}/birds.tgz", digest, tmp_path / "root")
    assert [path.name for path in (tmp_path / "root").iterdir()] == ["birds.tgz"]


def test_a_download_that_fails_says_why(tmp_path: Path, address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("trainables.datasets.downloads.CUB200_URL", f"{address}/absent.tgz")
    with pytest.raises(DownloadError, match="downloading cub200 failed"):
        download_dataset("cub200", tmp_path / "root")
