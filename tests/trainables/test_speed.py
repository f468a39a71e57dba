"""Measures the figures in README again. Run with ``-m slow -s`` on an idle machine to see them."""

from __future__ import annotations

import resource
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, Subset
from torchvision import transforms
from torchvision.datasets import MNIST

from tests.trainables.images import SAMPLES, needs_samples
from trainables.datasets.images import decode_images
from trainables.datasets.official import list_official
from trainables.datasets.splits import Dataset, make_dataset, split_dataset
from trainables.objectives.objective import objective
from trainables.pack import Member, Pack, Structure
from trainables.training.loop import train_pack

pytestmark = pytest.mark.slow
CNN = Structure("mnist", "cnn", "closed", "triplet", "all", 2, 64, "shuffle", 4, 128, False, False, 2)
WORKERS = 2


def mnist() -> Dataset:
    listing = list_official("mnist", SAMPLES)
    pixels, _ = decode_images(listing, 28, 1)
    return make_dataset("mnist", pixels, torch.tensor(listing.labels), "closed", torch.tensor(listing.test))


def seconds_of_a_fused_epoch(first_seed: int) -> tuple[float, float]:
    """Seconds of one epoch of a pack of 4 on one thread, and the process's peak memory in GB."""
    torch.set_num_threads(1)
    members = tuple(Member(1.0, 1e-3, first_seed + seed) for seed in range(4))
    times: list[float] = []
    train_pack(Pack(CNN, members), mnist(), on_epoch=lambda *_: times.append(time.perf_counter()))
    return times[1] - times[0], resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def seconds_of_a_plain_epoch(loader_workers: int) -> float:
    """The same network alone, as torch.nn modules with a DataLoader, on all the threads that torch takes."""
    images = MNIST(str(SAMPLES), train=True, transform=transforms.ToTensor())
    train = Subset(images, split_dataset(mnist(), 0).train.tolist())
    loader = DataLoader(train, 64, shuffle=True, drop_last=True, num_workers=loader_workers)
    blocks = [nn.Conv2d(1, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)]
    blocks += [nn.Conv2d(32, 64, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)]
    network = nn.Sequential(*blocks, nn.Flatten(), nn.Linear(3136, 128))
    adam = torch.optim.Adam(network.parameters(), lr=1e-3)
    margins = torch.tensor([1.0])
    started = time.perf_counter()
    for inputs, labels in loader:
        loss = objective(network(inputs).unsqueeze(0), labels.unsqueeze(0), margins, "triplet", "all").loss.sum()
        adam.zero_grad()
        loss.backward()
        adam.step()
    return time.perf_counter() - started


@needs_samples
def test_a_cnn_in_a_pack_is_at_least_one_and_a_half_times_as_fast_as_alone_with_a_data_loader() -> None:
    with ProcessPoolExecutor(WORKERS, mp_context=get_context("spawn")) as pool:
        fused = list(pool.map(seconds_of_a_fused_epoch, (0, 10)))
    rate = WORKERS * 4 / max(seconds for seconds, _ in fused)
    plain = 1 / min(seconds_of_a_plain_epoch(workers) for workers in (0, 1))
    print(f"\n{rate:.3f} member-epochs/s in packs of 4, {plain:.3f} alone: {rate / plain:.1f} times as fast")
    print(f"peak memory of a process with 4 members {max(memory for _, memory in fused):.2f} GB")
    assert rate > 1.5 * plain
    assert max(memory for _, memory in fused) < 4.0


def seconds_of_heads(first_seed: int) -> float:
    torch.set_num_threads(1)
    draw = torch.Generator().manual_seed(0)
    labels = torch.arange(6000) % 100
    features = torch.randn(100, 768, generator=draw)[labels] + torch.randn(6000, 768, generator=draw)
    dataset = make_dataset("features", features, labels, "disjoint")
    structure = Structure(
        "features", "vit_b_32", "disjoint", "triplet", "semihard", 50, 64, "pk", 4, 128, False, False, 10
    )
    members = tuple(Member(0.5, 1e-3, first_seed + seed) for seed in range(30))
    started = time.perf_counter()
    train_pack(Pack(structure, members), dataset)
    return time.perf_counter() - started


def test_sixty_heads_on_frozen_features_train_in_under_five_minutes() -> None:
    """50 epochs on 6,000 x 768 features, evaluations included, as two packs at once."""
    with ProcessPoolExecutor(WORKERS, mp_context=get_context("spawn")) as pool:
        seconds = max(pool.map(seconds_of_heads, (0, 30)))
    print(f"\n60 heads of 50 epochs in {seconds:.0f} s")
    assert seconds < 300
