"""What a pack is. It holds exactly the values that determine the result of a training."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple


class DatasetKey(NamedTuple):
    """A dataset as one encoder reads it: as pixels or vectors, or as the features of a frozen backbone."""

    dataset: str
    encoder: str


@dataclass(frozen=True)
class Member:
    """The values of a run that may differ within a pack."""

    margin: float
    lr: float
    seed: int
    weight_decay: float = 0.0


@dataclass(frozen=True)
class Structure:
    """The values of a run that all members of a pack share.

    Attributes:
        dataset: Name of the dataset. With the seed it determines the split, the initial weights and the batches.
        encoder: ``"linear"``, ``"mlp"``, ``"cnn"``, or a frozen backbone with a trained head (see
            `trainables.networks.encoders.network_of`).
        split: ``"closed"`` (every class is in every part) or ``"disjoint"`` (no class is in two parts).
        loss: ``"contrastive"`` or ``"triplet"``.
        miner: Name of a miner (see `trainables.objectives.miners.MINERS`).
        epochs: Number of training epochs.
        batch_size: Samples in a batch; for the ``"pk"`` sampler, the largest number.
        sampler: ``"shuffle"`` or ``"pk"``.
        samples_per_class: K of the P x K sampler.
        embedding_dim: Dimension D of the embedding.
        normalize: Whether embeddings are L2-normalised before the loss and the evaluation.
        augment: Whether training images are cropped and flipped at random.
        evaluate_every: Epochs between two evaluations. There is always one at epoch 0 and one at the end.
        stop_at: The epoch after which training stops early, if it does: a rung of a search that halves (Jamieson and
            Talwalkar 2016). Only the validation score is then measured, once, after it.
    """

    dataset: str
    encoder: str
    split: str
    loss: str
    miner: str
    epochs: int
    batch_size: int
    sampler: str
    samples_per_class: int
    embedding_dim: int
    normalize: bool
    augment: bool
    evaluate_every: int
    stop_at: int | None = None

    @property
    def last_epoch(self) -> int:
        """The epoch after which training ends."""
        return self.epochs if self.stop_at is None else self.stop_at

    @property
    def dataset_key(self) -> DatasetKey:
        """The dataset as the encoder reads it."""
        return DatasetKey(self.dataset, self.encoder)

    def evaluation_epochs(self) -> list[int]:
        """The epochs with validation and test metrics, none if it stops early; epoch 0 is the untrained network."""
        if self.stop_at is not None:
            return []
        return sorted({0, self.epochs, *range(0, self.epochs + 1, self.evaluate_every)})


@dataclass(frozen=True)
class Pack:
    """Runs that are trained together: one structure, several members."""

    structure: Structure
    members: tuple[Member, ...]
