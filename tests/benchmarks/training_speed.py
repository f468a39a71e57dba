"""Training in packs on one core, and on the GPU if there is one: a step, a whole run, and heads on frozen features."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

import torch

from tests.benchmarks.figures import Figure, in_turn
from tests.benchmarks.plain_training import Task, task_of, train
from trainables.datasets.registry import load_vectors
from trainables.datasets.splits import Dataset
from trainables.pack import Member, Pack, Structure
from trainables.training.loop import _PackTrainer, train_pack

MEMBERS, BATCH, WIDTH, DIM, EPOCHS = 26, 64, 256, 128, 50
GPU_MEMBERS = (1, 32, 128, 512, 1024)
HEADS, FEATURES, SAMPLES, CLASSES = 13, 768, 6_000, 200


def digits_pack(loss: str, members: int, epochs: int = EPOCHS) -> Pack:
    """An MLP on digits; every member has a margin and a learning rate of its own."""
    structure = Structure("digits", "mlp", "closed", loss, "all", epochs, BATCH, "shuffle", 4, DIM, False, False, 10)
    return Pack(structure, tuple(Member(0.5 + each / 8, 1e-3 + each / 1e5, each // 2) for each in range(members)))


def step_figures(repeats: int) -> list[Figure]:
    """A member's share of a step, beside the matrix products that it cannot do without."""
    return [_step_figure(loss, repeats) for loss in ("contrastive", "triplet")]


def run_figures(repeats: int) -> list[Figure]:
    """A member's share of a whole run, beside the run alone as PyTorch and pytorch-metric-learning have it."""
    data = load_vectors("digits")
    figures = []
    for loss in ("contrastive", "triplet"):
        pack = digits_pack(loss, MEMBERS)
        member = pack.members[0]
        task = task_of(data, loss, member.seed, BATCH, DIM, (EPOCHS,))
        ways: dict[str, Callable[[], object]] = {
            f"a run in a pack of {MEMBERS}, all metrics": partial(train_pack, pack, data),
            "alone, with pytorch-metric-learning, four metrics": partial(_train_alone, task, member),
        }
        seconds = in_turn(ways, repeats)
        own, *_ = seconds
        seconds[own] = [each / MEMBERS for each in seconds[own]]
        figures.append(Figure(f"{EPOCHS} epochs of an MLP on digits, {loss} loss, all candidates, one core", seconds))
    return figures


def head_figures(repeats: int) -> list[Figure]:
    """Heads on features of which half the classes are for testing, and how much of that is evaluation."""
    figures = []
    for epochs in (10, EPOCHS):
        structure = Structure(
            "heads", "linear", "disjoint", "triplet", "all", epochs, BATCH, "pk", 4, DIM, False, False, 10
        )
        pack = Pack(structure, tuple(Member(0.5, 1e-3, seed) for seed in range(HEADS)))
        whole, evaluations = [], []
        for _ in range(repeats):
            with evaluation_seconds() as spent:
                started = time.perf_counter()
                train_pack(pack, features())
                whole.append(time.perf_counter() - started)
            evaluations.append(sum(spent))
        what = f"{HEADS} linear heads on {SAMPLES:,} x {FEATURES} features of {CLASSES} classes, class-disjoint, "
        what += f"{epochs} epochs, {len(structure.evaluation_epochs())} evaluations, one core"
        figures.append(Figure(what, {"the whole": whole, "evaluation": evaluations}))
    return figures


def gpu_figures(repeats: int) -> list[Figure]:
    """A member's share of a step on the GPU by the size of the pack; nothing where there is none."""
    if not torch.cuda.is_available():
        return []
    seconds = {}
    for members in GPU_MEMBERS:
        epoch, steps = _epoch_of("contrastive", members, "cuda")
        found = in_turn({"": epoch}, repeats)[""]
        seconds[f"{members} members"] = [each / steps / members for each in found]
    return [Figure(f"a member-step of an MLP on digits, contrastive loss, {torch.cuda.get_device_name()}", seconds)]


def features() -> Dataset:
    """Features [N, F] of clustered classes. The later half of the classes is the test part."""
    stream = torch.Generator().manual_seed(0)
    labels = torch.arange(CLASSES).repeat_interleave(SAMPLES // CLASSES)
    inputs = 0.5 * torch.randn(CLASSES, FEATURES, generator=stream)[labels]
    inputs += torch.randn(len(labels), FEATURES, generator=stream)
    rest, test = torch.arange(len(labels)).chunk(2)
    return Dataset("heads", inputs, labels, "disjoint", rest, test, "made for the benchmark")


@contextmanager
def evaluation_seconds() -> Iterator[list[float]]:
    """Seconds of each evaluation while packs train."""
    spent: list[float] = []
    names = ("evaluate", "evaluate_at_end")
    before = {name: getattr(_PackTrainer, name) for name in names}

    def timed(evaluation: Callable[..., object], *arguments: object) -> object:
        started = time.perf_counter()
        result = evaluation(*arguments)
        spent.append(time.perf_counter() - started)
        return result

    try:
        for name, evaluation in before.items():
            setattr(_PackTrainer, name, lambda *given, own=evaluation: timed(own, *given))
        yield spent
    finally:
        for name, evaluation in before.items():
            setattr(_PackTrainer, name, evaluation)


def _train_alone(task: Task, member: Member) -> None:
    for _ in train(task, member.margin, member.lr):
        pass


def _step_figure(loss: str, repeats: int) -> Figure:
    epoch, steps = _epoch_of(loss, MEMBERS, "cpu")
    products = _products(MEMBERS)
    seconds = in_turn(
        {"a step": epoch, "its matrix products alone": lambda: [products() for _ in range(steps)]}, repeats
    )
    own = {name: [each / steps / MEMBERS for each in found] for name, found in seconds.items()}
    what = f"a member-step of an MLP on digits, {loss} loss, all candidates, B = {BATCH}, {MEMBERS} members, one core"
    return Figure(what, own)


def _epoch_of(loss: str, members: int, device: str) -> tuple[Callable[[], None], int]:
    """An epoch of training without evaluation, and its steps."""
    trainer = _PackTrainer(digits_pack(loss, members), load_vectors("digits"), torch.device(device))
    steps = len(list(trainer._data.batches(1)))

    def epoch() -> None:
        trainer.train_epoch(1)
        if device == "cuda":
            torch.cuda.synchronize()

    return epoch, steps


def _products(members: int) -> Callable[[], None]:
    """The products of a step of the MLP: forwards, of the distances, and backwards, without the gradient of inputs."""

    def drawn(*shape: int) -> torch.Tensor:
        return torch.randn(members, *shape)

    inputs, hidden, embeddings, between = drawn(BATCH, 64), drawn(BATCH, WIDTH), drawn(BATCH, DIM), drawn(BATCH, BATCH)
    first, second = drawn(64, WIDTH), drawn(WIDTH, DIM)
    first_bias, second_bias = drawn(1, WIDTH), drawn(1, DIM)

    def products() -> None:
        torch.baddbmm(first_bias, inputs, first)
        torch.baddbmm(second_bias, hidden, second)
        torch.bmm(embeddings, embeddings.transpose(1, 2))
        torch.bmm(between, embeddings)
        torch.bmm(embeddings, second.transpose(1, 2))
        torch.bmm(hidden.transpose(1, 2), embeddings)
        torch.bmm(inputs.transpose(1, 2), hidden)

    return products
