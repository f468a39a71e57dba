"""One run as PyTorch and pytorch-metric-learning have it: what a pack is measured against.

It takes the project's splits, initial weights and random streams, so that it computes the same thing. Where there is a
choice it takes the faster way: batches are cut out of tensors at once, Adam is fused, and no metric is computed that
tuning or the verdict on retrieval does not need.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from pytorch_metric_learning.distances import LpDistance
from pytorch_metric_learning.losses import ContrastiveLoss, TripletMarginLoss
from pytorch_metric_learning.reducers import DoNothingReducer, MeanReducer
from pytorch_metric_learning.utils.accuracy_calculator import AccuracyCalculator
from pytorch_metric_learning.utils.inference import CustomKNN
from torch import Tensor, nn
from torch.utils.data import BatchSampler, DataLoader, RandomSampler, TensorDataset

from trainables.datasets.splits import Dataset, split_dataset
from trainables.datasets.synthetic import AnyDataset
from trainables.networks.encoders import make_encoder
from trainables.random_streams import random_stream, stream_number

Objective = Callable[[Tensor, Tensor], Tensor]
Labelled = tuple[Tensor, Tensor]  # inputs and labels


@dataclass(frozen=True)
class Task:
    """What the runs of one search share: the data of a seed, and how long they are trained.

    Attributes:
        dataset: Name of the dataset.
        loss: Name of the loss.
        seed: Of the split, the initial weights and the batches.
        batch_size: Samples in a batch.
        embedding_dim: Dimension of the embedding.
        rungs: The epochs after which a run is validated; the last is the last epoch.
        train: The training part.
        validation: The validation part.
        test: The test part.
    """

    dataset: str
    loss: str
    seed: int
    batch_size: int
    embedding_dim: int
    rungs: tuple[int, ...]
    train: Labelled
    validation: Labelled
    test: Labelled


def task_of(
    dataset: AnyDataset, loss: str, seed: int, batch_size: int, embedding_dim: int, rungs: tuple[int, ...]
) -> Task:
    """A task on the parts that a seed has of a closed dataset of vectors."""
    samples = dataset if isinstance(dataset, Dataset) else dataset.draw(seed)
    split = split_dataset(samples, seed)
    train, validation, test = (
        (samples.inputs[part], samples.labels[part]) for part in (split.train, split.validation, split.test)
    )
    return Task(dataset.name, loss, seed, batch_size, embedding_dim, rungs, train, validation, test)


class MeanOfSquares(nn.Module):
    """The contrastive loss on all pairs: d^2 and max(0, margin - d)^2. The library's own is not squared."""

    def __init__(self, margin: float) -> None:
        super().__init__()
        distance = LpDistance(normalize_embeddings=False)
        self.terms = ContrastiveLoss(pos_margin=0.0, neg_margin=margin, distance=distance, reducer=DoNothingReducer())

    def forward(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        found = self.terms(embeddings, labels)
        # One mean over all pairs: the library's reducers would add the mean of positives to that of negatives.
        return torch.cat([found[kind]["losses"].flatten() for kind in ("pos_loss", "neg_loss")]).square().mean()


def triplet_margin(margin: float) -> Objective:
    """The triplet loss on all triplets, with its margin on d^2, as a mean over active and inactive ones."""
    loss: Objective = TripletMarginLoss(
        margin=margin, distance=LpDistance(power=2, normalize_embeddings=False), reducer=MeanReducer()
    )
    return loss


OBJECTIVES: dict[str, Callable[[float], Objective]] = {"contrastive": MeanOfSquares, "triplet": triplet_margin}


def make_network(task: Task) -> nn.Module:
    """An MLP with one hidden layer, and the initial weights that the seed has in a pack."""
    shape = task.train[0].shape[1:]
    stream = random_stream(task.dataset, task.seed, "weights")
    initial = make_encoder("mlp", tuple(shape), task.embedding_dim).initialise(stream)
    layers = [nn.Linear(*initial[f"{name}.weight"].shape) for name in ("hidden", "embedding")]
    with torch.no_grad():
        for layer, name in zip(layers, ("hidden", "embedding"), strict=True):
            layer.weight.copy_(initial[f"{name}.weight"].T)
            layer.bias.copy_(initial[f"{name}.bias"].flatten())
    return nn.Sequential(nn.Flatten(), layers[0], nn.ReLU(), layers[1])


def epoch_batches(task: Task, epoch: int) -> DataLoader:
    """Shuffled batches, the incomplete one left out; a batch is cut out of the tensors at once."""
    data = TensorDataset(*task.train)
    generator = torch.Generator().manual_seed(stream_number(task.dataset, task.seed, "batches", epoch))
    batches = BatchSampler(RandomSampler(data, generator=generator), task.batch_size, drop_last=True)
    return DataLoader(data, sampler=batches, batch_size=None)


def retrieval(network: nn.Module, part: Labelled, *metrics: str) -> list[float]:
    """Metrics of pytorch-metric-learning's; zeros if the network has diverged."""
    calculator = AccuracyCalculator(
        include=metrics,
        k="max_bin_count",
        device=torch.device("cpu"),
        knn_func=CustomKNN(LpDistance(normalize_embeddings=False)),
    )
    with torch.no_grad():
        embeddings = network(part[0])
    if not embeddings.isfinite().all():
        return [0.0] * len(metrics)
    scores = calculator.get_accuracy(embeddings, part[1])
    return [float(scores[metric]) for metric in metrics]


def train(task: Task, margin: float, lr: float) -> Iterator[dict[str, float]]:
    """Trains one run.

    Yields:
        After each rung, ``epoch``, ``train/loss`` of that epoch and ``val/map_at_r``; after the last also
        ``test/map_at_r`` and ``test/recall_at_1``.
    """
    network, objective = make_network(task), OBJECTIVES[task.loss](margin)
    adam = torch.optim.Adam(network.parameters(), lr=lr, fused=True)
    for epoch in range(1, task.rungs[-1] + 1):
        total, steps = 0.0, 0
        for inputs, labels in epoch_batches(task, epoch):
            loss = objective(network(inputs), labels)
            adam.zero_grad()
            loss.backward()
            adam.step()
            total += float(loss.detach())
            steps += 1
        if epoch not in task.rungs:
            continue
        (score,) = retrieval(network, task.validation, "mean_average_precision_at_r")
        report = {"epoch": epoch, "train/loss": total / steps, "val/map_at_r": score}
        if epoch == task.rungs[-1]:
            names = ("mean_average_precision_at_r", "precision_at_1")
            report["test/map_at_r"], report["test/recall_at_1"] = retrieval(network, task.test, *names)
        yield report


def trial(config: dict[str, float], task: Task) -> None:
    """A run as a trial of Ray Tune's. It stands here because a worker imports what stands beside it."""
    from ray import tune

    torch.set_num_threads(1)
    for report in train(task, config["margin"], config["lr"]):
        tune.report(report)
