"""What a pack is: the values that determine a training result, and nothing else."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Member:
    """The part of a run that may differ inside a pack."""

    margin: float
    lr: float
    seed: int


@dataclass(frozen=True)
class Structure:
    """The part of a run that all members of a pack share.

    Attributes:
        dataset: Name of the dataset; with the seed it determines split, initial weights and batch order.
        encoder: ``"linear"``, ``"mlp"`` or ``"cnn"``, or a frozen backbone whose features go through a trained head
            (see `trainables.encoders.network_of`).
        split: ``"closed"`` (all classes in every part) or ``"disjoint"`` (no class in two parts).
        loss: ``"contrastive"`` or ``"triplet"``.
        miner: Name of a miner (see `trainables.miners.MINERS`).
        epochs: Number of training epochs; nothing stops a run early.
        batch_size: Samples in a batch (at most, for the ``"pk"`` sampler).
        sampler: ``"shuffle"`` or ``"pk"``.
        samples_per_class: K of the P x K sampler.
        embedding_dim: Dimension D of the embedding.
        normalize: Whether embeddings are L2-normalised before the loss and the evaluation.
        augment: Whether training images are cropped and flipped at random.
        evaluate_every: Validation and test metrics are taken at epoch 0, every so many epochs, and at the end.
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

    @property
    def reading(self) -> tuple[str, str]:
        """What a pack needs of its dataset: the dataset as its encoder reads it."""
        return self.dataset, self.encoder

    def evaluation_epochs(self) -> list[int]:
        """Epochs after which validation and test embeddings are evaluated; 0 is the untrained network."""
        return sorted({0, self.epochs, *range(0, self.epochs + 1, self.evaluate_every)})


@dataclass(frozen=True)
class Pack:
    """Runs trained together: one structure, several members."""

    structure: Structure
    members: tuple[Member, ...]
