"""Trains a pack: all members step together, and each gets the metrics that it would get alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import reduce
from itertools import islice
from operator import add
from typing import Any, NamedTuple

import torch
from torch import Tensor

from trainables.datasets.synthetic import AnyDataset
from trainables.devices import use_exact_arithmetic
from trainables.evaluation.classification import LinearProbe, linear_accuracy_within
from trainables.evaluation.part_metrics import all_metrics, curve_metrics, validation_metrics
from trainables.evaluation.sketch import sketch
from trainables.networks.encoders import Encoder, make_encoder
from trainables.networks.parameters import StackedParameters, stack_parameters
from trainables.objectives.loss_result import LossResult
from trainables.objectives.losses import LOSSES
from trainables.objectives.objective import objective
from trainables.pack import Pack
from trainables.pairwise.distances import squared_distances
from trainables.random_streams import random_stream
from trainables.training.adam import stacked_adam
from trainables.training.batches import PackData, Part, load_pack_data
from trainables.training.history import History
from trainables.training.loss_decay import PROBE_BATCHES, LossDecay
from trainables.training.outcome import Outcome
from trainables.training.snapshots import Snapshot, to_device

# Size of one member's largest activation when a part is embedded. It must not depend on the pack, because the number of
# samples in one product may change how they are rounded.
_EVALUATION_ACTIVATION = 1 << 22
_METRICS_WITH_MEAN = (
    "train/active_ratio",
    "train/active_anchors",
    "train/active_negatives",
    "train/active_negative_anchors",
    "train/grad_norm",
)  # the comparison of losses uses means over all epochs


def train_pack(
    pack: Pack,
    dataset: AnyDataset,
    device: torch.device | str = "cpu",
    on_epoch: Callable[[int, Callable[[], Snapshot]], None] | None = None,
    resume: Snapshot | None = None,
) -> History:
    """Trains every member of a pack and records its metrics.

    Args:
        pack: Runs with one structure.
        dataset: The dataset that the structure names; it is drawn and split here for each member's seed.
        device: Where to train.
        on_epoch: Called after each epoch with its number and a function that takes a snapshot. Epoch 0 is the
            evaluation of the untrained network.
        resume: A snapshot of the same pack on the same dataset. Training continues from it, and the result is the same
            as without the interruption.

    Returns:
        ``train/...`` metrics of every epoch; at the evaluation epochs ``val/map_at_r``, and variances and retrieval
        metrics on test data; at the last epoch all ``val/...`` and ``test/...`` metrics. Of training that stops early,
        the metrics of its epochs and ``val/map_at_r`` after the last one.

    Raises:
        ValueError: If the structure names an unknown sampler, or a CNN gets inputs that are no images.
    """
    use_exact_arithmetic(torch.device(device))
    trainer = _PackTrainer(pack, dataset, torch.device(device))
    structure = pack.structure
    evaluation_epochs = set(structure.evaluation_epochs())
    finished = 0
    if resume is None:
        history = History(len(pack.members))
        probe_loss, largest = trainer.probe()
        decay, outcome = LossDecay(probe_loss), trainer.untrained_outcome(largest)
        if 0 in evaluation_epochs:
            history.record(0, trainer.evaluate())
    else:
        finished = resume["epoch"]
        history, decay = History.from_state(resume["history"]), LossDecay.from_state(to_device(resume["decay"], device))
        outcome = Outcome.from_state(to_device(resume["outcome"], device))
        trainer.restore(resume)

    def snapshot() -> Snapshot:
        states = {"history": history.state(), "decay": decay.state(), "outcome": outcome.state()}
        return {"epoch": finished, **states, **trainer.state()}

    if on_epoch:
        on_epoch(finished, snapshot)
    for epoch in range(finished + 1, structure.last_epoch + 1):
        metrics = trainer.train_epoch(epoch)
        probe_loss, largest = trainer.probe()
        decay.update(epoch, probe_loss)
        outcome.update(epoch, largest, metrics["train/active_negatives"])
        history.record(epoch, {**metrics, "train/probe_loss": probe_loss})
        history.check_divergence(epoch, ("train/loss", "train/probe_loss"))
        if epoch in evaluation_epochs:
            history.record(epoch, trainer.evaluate_at_end(history) if epoch == structure.epochs else trainer.evaluate())
        finished = epoch
        if on_epoch:
            on_epoch(epoch, snapshot)
    if structure.stop_at is not None:
        history.record(structure.stop_at, trainer.validation_score())
    elif structure.epochs:
        means = {f"{name}_mean": history.mean_over_epochs(name) for name in _METRICS_WITH_MEAN}
        history.record(structure.epochs, {name: mean for name, mean in means.items() if mean is not None})
        ends = {**decay.metrics(structure.epochs), **outcome.metrics()}
        history.record(structure.epochs, {f"train/{name}": values for name, values in ends.items()})
    return history


class _PackTrainer:
    """A pack in training: its data, parameters and optimiser."""

    def __init__(self, pack: Pack, dataset: AnyDataset, device: torch.device) -> None:
        self._structure = pack.structure
        self._data: PackData = load_pack_data(pack, dataset, device)
        self._margins = torch.tensor([member.margin for member in pack.members], device=device)
        self._encoder: Encoder = make_encoder(pack.structure.encoder, dataset.input_shape, pack.structure.embedding_dim)
        initial = [self._encoder.initialise(random_stream(dataset.name, m.seed, "weights")) for m in pack.members]
        self._parameters: StackedParameters = stack_parameters(initial, device)
        lrs, decays = ([getattr(m, name) for m in pack.members] for name in ("lr", "weight_decay"))
        self._adam = stacked_adam(self._parameters, lrs, decays)

    def state(self) -> dict[str, Any]:
        return {"parameters": self._parameters.values, "adam": self._adam.state()}

    def restore(self, state: Mapping[str, Any]) -> None:
        with torch.no_grad():
            self._parameters.values.copy_(state["parameters"])
        self._adam.restore(state["adam"])

    def train_epoch(self, epoch: int) -> dict[str, Tensor]:
        steps = []
        for inputs, labels, uniforms in self._data.batches(epoch):
            result = self._objective(self._embed(self._parameters.views, inputs), labels, uniforms)
            self._parameters.backward(result.loss)
            norms = torch.linalg.vector_norm(self._parameters.gradients, dim=1)
            self._adam.step()
            steps.append(_values_of_step(result, norms))
        return _epoch_metrics(steps)

    @torch.no_grad()
    def probe(self) -> tuple[Tensor, Tensor]:
        """The objective, and the spread of the embeddings, on fixed batches of training data with fixed random numbers.

        Returns:
            The objective's mean [K] over the batches, and the largest squared distance [K] within one of them.
        """
        losses, largest = [], []
        for inputs, labels, uniforms in islice(self._data.batches(0, purpose="probe"), PROBE_BATCHES):
            embeddings = self._embed(self._parameters.views, inputs)
            losses.append(self._objective(embeddings, labels, uniforms).loss)
            largest.append(squared_distances(embeddings).flatten(1).amax(1))
        # Added one by one: the order in which a sum over rows adds depends on the number of columns.
        return reduce(add, losses) / len(losses), torch.stack(largest).amax(0)

    def untrained_outcome(self, largest: Tensor) -> Outcome:
        """The outcome of training that begins with the largest squared distances [K] of `probe`."""
        return Outcome.of_untrained(largest, self._margins, LOSSES[self._structure.loss].margin_power)

    @torch.no_grad()
    def validation_score(self) -> dict[str, Tensor]:
        """MAP@R on the validation part, by which settings are chosen."""
        return _of_members("val", self._embedded(self._data.validation), validation_metrics)

    @torch.no_grad()
    def evaluate(self) -> dict[str, Tensor]:
        """What curves over the epochs show: the validation score, variances and retrieval metrics on test data."""
        return {**self.validation_score(), **_of_members("test", self._embedded(self._data.test), curve_metrics)}

    @torch.no_grad()
    def evaluate_at_end(self, history: History) -> dict[str, Tensor]:
        """All validation and test metrics. The history gets a picture of the test embeddings.

        In a class-disjoint split no training sample has a class of the part. So the samples of the part classify each
        other.
        """
        references = self._embed_part(self._data.train) if self._structure.split == "closed" else None
        linear_accuracy = LinearProbe(*references).accuracy if references else linear_accuracy_within

        def metrics(embeddings: Tensor, labels: Tensor) -> dict[str, Tensor]:
            return {
                **all_metrics(embeddings, labels, references),
                "linear_accuracy": linear_accuracy(embeddings, labels),
            }

        validation, test = self._embedded(self._data.validation), self._embedded(self._data.test)
        for part, embeddings, labels in test:
            for row, member in enumerate(part.members.tolist()):
                history.keep_sketch(member, *sketch(embeddings[row], labels[row]))
        return {**_of_members("val", validation, metrics), **_of_members("test", test, metrics)}

    def _objective(self, embeddings: Tensor, labels: Tensor, uniforms: Tensor | None) -> LossResult:
        structure = self._structure
        return objective(embeddings, labels, self._margins, structure.loss, structure.miner, uniforms)

    def _embed(self, parameters: Mapping[str, Tensor], inputs: Tensor) -> Tensor:
        embeddings = self._encoder.embed(parameters, inputs)
        return torch.nn.functional.normalize(embeddings, dim=2) if self._structure.normalize else embeddings

    def _embedded(self, parts: Sequence[Part]) -> list[_Embedded]:
        return [_Embedded(part, *self._embed_part(part)) for part in parts]

    def _embed_part(self, part: Part) -> tuple[Tensor, Tensor]:
        views = self._parameters.views
        if len(part.members) < len(self._margins):
            views = {name: view[part.members] for name, view in views.items()}
        batch_size = max(_EVALUATION_ACTIVATION // self._encoder.largest_activation, 1)
        embeddings, labels = [], []
        for start in range(0, part.positions.shape[1], batch_size):
            inputs, batch_labels = part.batch(slice(start, start + batch_size))
            embeddings.append(self._embed(views, inputs))
            labels.append(batch_labels)
        return torch.cat(embeddings, 1), torch.cat(labels, 1)


class _Embedded(NamedTuple):
    """The embeddings [k, n, D] and labels [k, n] of a part."""

    part: Part
    embeddings: Tensor
    labels: Tensor


def _of_members(
    prefix: str, parts: Sequence[_Embedded], measure: Callable[[Tensor, Tensor], dict[str, Tensor]]
) -> dict[str, Tensor]:
    """The metrics [K] of all members from those of each part."""
    measured = [measure(embeddings, labels) for _, embeddings, labels in parts]
    order = torch.cat([part.members for part, *_ in parts]).argsort()
    return {f"{prefix}/{name}": torch.cat([metrics[name] for metrics in measured])[order] for name in measured[0]}


def _values_of_step(result: LossResult, norms: Tensor) -> dict[str, Tensor]:
    values = {"loss": result.loss.detach(), "grad_norm": norms}
    for kind, count in (("overall", result.overall), *result.by_kind.items()):
        values[f"{kind}.active"], values[f"{kind}.candidates"] = count.active, count.candidates
    return values


def _epoch_metrics(steps: Sequence[Mapping[str, Tensor]]) -> dict[str, Tensor]:
    """Means over the steps of an epoch. A ratio is over all candidates of the epoch, and zero if there were none."""
    # A row for each member: the order in which a sum over rows adds depends on the number of columns.
    sums = {name: torch.stack([step[name] for step in steps], 1).double().sum(1) for name in steps[0]}
    metrics = {"train/loss": sums["loss"] / len(steps), "train/grad_norm": sums["grad_norm"] / len(steps)}
    for name in sums:
        kind, _, field = name.partition(".")
        if field == "active":
            ratio = sums[name] / sums[f"{kind}.candidates"].clamp_min(1.0)
            metrics["train/active_ratio" if kind == "overall" else f"train/active_{kind}"] = ratio
    return metrics
