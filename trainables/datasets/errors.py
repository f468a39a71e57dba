"""Errors of datasets and weight files. Every message is one line."""

from __future__ import annotations


class DatasetError(ValueError):
    """A dataset or weight file is wrong."""


class LargeImageError(DatasetError):
    """An image has more pixels than its listing allows."""


class MissingFilesError(DatasetError):
    """A dataset or weight file is missing.

    Attributes:
        what: What is missing.
        searched: Where the program searched for it.
        remedy: Where the user can get it, or what else to do.
    """

    def __init__(self, what: str, searched: str, remedy: str) -> None:
        super().__init__(f"{what} is missing: looked for {searched}; {remedy}")
        self.what = what
        self.searched = searched
        self.remedy = remedy
