"""Training a pack: all members step together, and each ends with the metrics it would have alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import islice
from typing import Any

import torch
from torch import Tensor

from trainables.adam import stacked_adam
from trainables.datasets import Dataset
from trainables.encoders import Encoder, make_encoder
from trainables.evaluation import LinearProbe, evaluate, linear_accuracy_within, sketch
from trainables.history import History
from trainables.loss_decay import PROBE_BATCHES, LossDecay
from trainables.objective import objective
from trainables.parameters import StackedParameters, stack_parameters
from trainables.placement import PackData, Part, place
from trainables.snapshots import Snapshot, on
from trainables.spec import Pack
from trainables.streams import stream
from trainables.terms import Terms

# Numbers in one member's largest activation when a part is embedded. Never a function of the pack: samples that are
# embedded together may round together.
_EVALUATION_NUMBERS = 1 << 22
_MEANS = ("train/active_ratio", "train/active_anchors", "train/grad_norm")  # over all epochs: what a verdict reads


def train_pack(
    pack: Pack,
    dataset: Dataset,
    device: torch.device | str = "cpu",
    on_epoch: Callable[[int, Callable[[], Snapshot]], None] | None = None,
    resume: Snapshot | None = None,
) -> History:
    """Trains every member of a pack and records its metrics.

    Args:
        pack: Runs of one structure on `dataset`.
        dataset: The data, split here for each member's seed.
        device: Where to train.
        on_epoch: Called with the number of each finished epoch, 0 for the untrained network's evaluation, and with a
            function that takes a snapshot of the training there.
        resume: A snapshot of the same pack on the same dataset, to go on from: the result is that of a training that
            was never interrupted.

    Returns:
        ``train/...`` metrics of every epoch, ``val/...`` and ``test/...`` metrics of the evaluation epochs.
    """
    run = _PackRun(pack, dataset, torch.device(device))
    structure = pack.structure
    evaluation_epochs = set(structure.evaluation_epochs())
    finished = 0
    if resume is None:
        history, decay = History(len(pack.members)), LossDecay(run.probe_loss())
        history.record(0, run.evaluate())
    else:
        finished = resume["epoch"]
        history, decay = History.from_state(resume["history"]), LossDecay.from_state(on(device, resume["decay"]))
        run.restore(resume)

    def snapshot() -> Snapshot:
        return {"epoch": finished, "history": history.state(), "decay": decay.state(), **run.state()}

    if on_epoch:
        on_epoch(finished, snapshot)
    for epoch in range(finished + 1, structure.epochs + 1):
        metrics = run.train_epoch(epoch)
        probe = run.probe_loss()
        decay.update(epoch, probe)
        history.check_divergence(epoch, metrics["train/loss"] + probe)
        history.record(epoch, {**metrics, "train/probe_loss": probe})
        if epoch in evaluation_epochs:
            history.record(epoch, run.evaluate(history if epoch == structure.epochs else None))
        finished = epoch
        if on_epoch:
            on_epoch(epoch, snapshot)
    if structure.epochs:
        means = {f"{name}_mean": history.mean_over_epochs(name) for name in _MEANS}
        history.record(structure.epochs, {name: mean for name, mean in means.items() if mean is not None})
        history.record(structure.epochs, {f"train/{k}": v for k, v in decay.metrics(structure.epochs).items()})
    return history


class _PackRun:
    """The state of a pack in training: data, parameters and optimiser."""

    def __init__(self, pack: Pack, dataset: Dataset, device: torch.device) -> None:
        self._structure = pack.structure
        self._data: PackData = place(pack, dataset, device)
        self._margins = torch.tensor([member.margin for member in pack.members], device=device)
        self._encoder: Encoder = make_encoder(
            pack.structure.encoder, tuple(dataset.inputs.shape[1:]), pack.structure.embedding_dim
        )
        initial = [self._encoder.initialise(stream(dataset.name, m.seed, "weights")) for m in pack.members]
        self._parameters: StackedParameters = stack_parameters(initial, device)
        self._adam = stacked_adam(self._parameters, [member.lr for member in pack.members])

    def state(self) -> dict[str, Any]:
        return {"parameters": self._parameters.values, "adam": self._adam.state()}

    def restore(self, state: Mapping[str, Any]) -> None:
        with torch.no_grad():
            self._parameters.values.copy_(state["parameters"])
        self._adam.restore(state["adam"])

    def train_epoch(self, epoch: int) -> dict[str, Tensor]:
        sums: dict[str, Tensor] = {}
        steps = 0
        for inputs, labels, uniforms in self._data.batches(epoch):
            terms = self._objective(inputs, labels, uniforms)
            self._parameters.backward(terms.loss)
            norms = torch.linalg.vector_norm(self._parameters.gradients, dim=1)
            self._adam.step()
            _add_step(sums, terms, norms)
            steps += 1
        return _epoch_metrics(sums, steps)

    @torch.no_grad()
    def probe_loss(self) -> Tensor:
        """The objective's mean [K] over fixed batches of the training data, draws of the miner included."""
        batches = islice(self._data.batches(0, purpose="probe"), PROBE_BATCHES)
        return torch.stack([self._objective(*batch).loss for batch in batches]).mean(0)

    @torch.no_grad()
    def evaluate(self, final: History | None = None) -> dict[str, Tensor]:
        """Validation and test metrics; `final`, at the end, adds the linear probe's and gets the test sketch.

        Where the classes of a part are not those trained on, its samples are classified by each other.
        """
        closed = self._structure.split == "closed"
        references = self._embed_part(self._data.train) if closed else None
        probe = LinearProbe(*references) if references and final else None
        metrics: dict[str, Tensor] = {}
        for prefix, parts in (("val", self._data.validation), ("test", self._data.test)):
            scored = []
            for part in parts:
                embeddings, labels = self._embed_part(part)
                scores = evaluate(embeddings, labels, references)
                if final:
                    accuracy = probe.accuracy if probe else linear_accuracy_within
                    scores["linear_accuracy"] = accuracy(embeddings, labels)
                    if prefix == "test":
                        final.keep_sketches(*sketch(embeddings, labels))
                scored.append(scores)
            order = torch.cat([part.members for part in parts]).argsort()
            metrics.update({f"{prefix}/{name}": torch.cat([s[name] for s in scored])[order] for name in scored[0]})
        return metrics

    def _objective(self, inputs: Tensor, labels: Tensor, uniforms: Tensor | None) -> Terms:
        structure = self._structure
        embeddings = self._embed(self._parameters.views, inputs)
        return objective(embeddings, labels, self._margins, structure.loss, structure.miner, uniforms)

    def _embed(self, parameters: Mapping[str, Tensor], inputs: Tensor) -> Tensor:
        embeddings = self._encoder.embed(parameters, inputs)
        return torch.nn.functional.normalize(embeddings, dim=2) if self._structure.normalize else embeddings

    def _embed_part(self, part: Part) -> tuple[Tensor, Tensor]:
        views = self._parameters.views
        if len(part.members) < len(self._margins):
            views = {name: view[part.members] for name, view in views.items()}
        together = max(_EVALUATION_NUMBERS // self._encoder.width, 1)
        pieces, labels = [], []
        for start in range(0, part.positions.shape[1], together):
            inputs, piece_labels = part.batch(slice(start, start + together))
            pieces.append(self._embed(views, inputs))
            labels.append(piece_labels)
        return torch.cat(pieces, 1), torch.cat(labels, 1)


def _add_step(sums: dict[str, Tensor], terms: Terms, norms: Tensor) -> None:
    step = {"loss": terms.loss.detach(), "grad_norm": norms}
    for kind, share in (("own", terms.own), *terms.kinds.items()):
        step[f"{kind}.active"], step[f"{kind}.candidates"] = share.active, share.candidates
    for name, values in step.items():
        sums[name] = sums[name] + values if name in sums else values.double()


def _epoch_metrics(sums: dict[str, Tensor], steps: int) -> dict[str, Tensor]:
    """Means over an epoch's steps; shares are of all the epoch's candidates, zero where there were none."""
    metrics = {"train/loss": sums["loss"] / steps, "train/grad_norm": sums["grad_norm"] / steps}
    for name in sums:
        kind, _, what = name.partition(".")
        if what == "active":
            share = sums[name] / sums[f"{kind}.candidates"].clamp_min(1.0)
            metrics["train/active_ratio" if kind == "own" else f"train/active_{kind}"] = share
    return metrics
