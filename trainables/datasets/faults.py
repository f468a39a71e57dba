"""What can be wrong with a dataset, each said in one line."""

from __future__ import annotations


class DatasetError(ValueError):
    """A dataset or weight file that is not as it should be."""


class MissingFilesError(DatasetError):
    """A dataset or weight file that is not there.

    Attributes:
        what: What is missing.
        looked: Where it was looked for.
        remedy: Where it can be had.
    """

    def __init__(self, what: str, looked: str, remedy: str) -> None:
        super().__init__(f"{what} is missing: looked for {looked}; {remedy}")
        self.what = what
        self.looked = looked
        self.remedy = remedy
