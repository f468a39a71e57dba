"""What is left to train, in numbers of runs."""

from __future__ import annotations

from dataclasses import dataclass

from trainables.pack import DatasetKey, Structure


@dataclass(frozen=True)
class Work:
    """Some runs that are to be trained.

    Attributes:
        structure: Theirs, or one like it: of their dataset, encoder and loss, and trained as far.
        runs: How many.
    """

    structure: Structure
    runs: int

    @property
    def dataset_key(self) -> DatasetKey:
        """The dataset as its encoder reads it."""
        return self.structure.dataset_key

    @property
    def epochs(self) -> int:
        """Of all runs together."""
        return self.structure.last_epoch * self.runs
