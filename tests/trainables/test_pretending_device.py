"""Training on a device that pretends to be a GPU: to the last bit as on the CPU, and the host hardly waits for it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import pairwise

import pytest
import torch
from torch import Tensor
from torch.utils._pytree import tree_map

from tests.trainables.images import save_classes
from tests.trainables.pretending_device import NAME, Pretence, can_pretend, pretending
from tests.trainables.test_invariants import ALONE, DIGITS, OTHERS, points
from trainables.datasets.image_files import list_image_folder
from trainables.datasets.images import decode_images
from trainables.datasets.registry import load_vectors
from trainables.datasets.splits import Dataset, make_dataset
from trainables.networks import encoders
from trainables.networks.backbones import embed
from trainables.networks.encoders import NETWORKS
from trainables.objectives.losses import LOSSES
from trainables.objectives.miners import MINERS
from trainables.pack import Pack, Structure
from trainables.pairwise import ordering
from trainables.pairwise.ordering import argsort_rows, smallest_columns
from trainables.training.history import History
from trainables.training.loop import _PackTrainer, train_pack
from trainables.training.samplers import SAMPLERS
from trainables.training.snapshots import Snapshot, from_bytes, to_bytes

WAITS_OF_AN_EPOCH = 1  # at its end, for its metrics
WAITS_OF_AN_EVALUATION = 7  # for the classes of each part (4), the depth of its retrieval (2), and its metrics
WAITS_OF_THE_LAST_EVALUATION = 500  # nearly all in the linear probe, which looks after each step who is done
WAITS_OF_THE_START = 15  # what is moved to the device, and the first probe
MEMBERS = (ALONE, *OTHERS[:3])
SHORT = replace(DIGITS, epochs=1, evaluate_every=1)


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    if not can_pretend():
        pytest.skip("this PyTorch has other interfaces for such devices")
    torch.set_num_threads(1)


@pytest.fixture(scope="module")
def few_digits() -> Dataset:
    digits = load_vectors("digits")
    return make_dataset("digits", digits.inputs[:220], digits.labels[:220], "closed")


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Dataset]:
    listing = list_image_folder(save_classes(tmp_path_factory.mktemp("data") / "birds", 8, 12))
    pixels, _ = decode_images(listing, 8, 3)
    labels = torch.tensor(listing.labels)
    return {split: make_dataset("folder:birds", pixels, labels, split) for split in ("closed", "disjoint")}


def assert_same_as_on_the_cpu(structure: Structure, dataset: Dataset) -> None:
    pack = Pack(structure, MEMBERS)
    with pretending() as pretence:
        there = train_pack(pack, dataset, NAME)
    here = train_pack(pack, dataset)
    assert pretence.launches > 500
    assert len(points(here, 0)) > 50
    assert [points(there, member) for member in range(4)] == [points(here, member) for member in range(4)]
    assert there.sketches == here.sketches
    assert there.sketches[0] is not None


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("miner", MINERS)
def test_every_loss_and_miner_trains_on_it_as_on_the_cpu(few_digits: Dataset, loss: str, miner: str) -> None:
    assert_same_as_on_the_cpu(replace(SHORT, loss=loss, miner=miner), few_digits)


@pytest.mark.parametrize("sampler", SAMPLERS)
@pytest.mark.parametrize("encoder", NETWORKS)
def test_every_encoder_and_sampler_trains_on_it_as_on_the_cpu(
    images: dict[str, Dataset], encoder: str, sampler: str
) -> None:
    images_only = encoder == "cnn"
    split = "closed" if sampler == "shuffle" else "disjoint"
    structure = replace(SHORT, dataset="folder:birds", encoder=encoder, split=split, sampler=sampler, batch_size=16)
    assert_same_as_on_the_cpu(replace(structure, augment=images_only, normalize=not images_only), images[split])


def test_the_convolutions_of_a_gpu_train_on_it_as_on_the_cpu(
    images: dict[str, Dataset], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(encoders, "_convolve_one_by_one", encoders._convolve_in_groups)
    structure = replace(SHORT, dataset="folder:birds", encoder="cnn", augment=True, batch_size=16)
    assert_same_as_on_the_cpu(structure, images["closed"])


def test_training_goes_on_there_from_a_snapshot_of_the_cpu_and_the_other_way_round(few_digits: Dataset) -> None:
    pack = Pack(replace(DIGITS, miner="random"), MEMBERS)

    def train(device: str, resume: Snapshot | None = None) -> tuple[History, dict[int, Snapshot]]:
        taken: dict[int, Snapshot] = {}

        def keep(epoch: int, snapshot: Callable[[], Snapshot]) -> None:
            on_cpu = tree_map(lambda value: value.cpu() if isinstance(value, Tensor) else value, snapshot())
            taken[epoch] = from_bytes(to_bytes(on_cpu, "key"), "key")

        return train_pack(pack, few_digits, device, keep, resume), taken

    whole, of_cpu = train("cpu")
    with pretending():
        _, of_gpu = train(NAME)
        ends = [train(NAME, of_cpu[1])[0]]
    ends.append(train("cpu", of_gpu[2])[0])
    for end in ends:
        assert [points(end, member) for member in range(4)] == [points(whole, member) for member in range(4)]


def waits(structure: Structure, dataset: Dataset, monkeypatch: pytest.MonkeyPatch) -> tuple[list[int], list[int]]:
    """Waits within the steps of each epoch; and until the end of each epoch, its evaluation included, from 0 on."""
    within, until = [], []
    train_epoch = _PackTrainer.train_epoch

    with pretending() as pretence:

        def counted(trainer: _PackTrainer, epoch: int) -> dict[str, Tensor]:
            before = pretence.waits.total()
            metrics = train_epoch(trainer, epoch)
            within.append(pretence.waits.total() - before)
            return metrics

        monkeypatch.setattr(_PackTrainer, "train_epoch", counted)
        train_pack(Pack(structure, MEMBERS), dataset, NAME, lambda *_: until.append(pretence.waits.total()))
    monkeypatch.setattr(_PackTrainer, "train_epoch", train_epoch)
    return within, until


@pytest.mark.parametrize("miner", MINERS)
def test_the_host_waits_for_no_step_and_once_an_epoch(
    few_digits: Dataset, monkeypatch: pytest.MonkeyPatch, miner: str
) -> None:
    for loss in LOSSES:
        structure = replace(DIGITS, loss=loss, miner=miner, epochs=4, stop_at=3, batch_size=32)
        within, until = waits(structure, few_digits, monkeypatch)
        assert within == [0, 0, 0]
        assert [after - before for before, after in pairwise(until)] == [WAITS_OF_AN_EPOCH] * 3


@pytest.mark.parametrize("split", ["closed", "disjoint"])
def test_the_host_waits_for_no_step_of_images_either(
    images: dict[str, Dataset], monkeypatch: pytest.MonkeyPatch, split: str
) -> None:
    structure = replace(DIGITS, dataset="folder:birds", encoder="cnn", split=split, augment=True, sampler="pk")
    assert waits(replace(structure, stop_at=2, batch_size=16), images[split], monkeypatch)[0] == [0, 0]


def test_the_host_waits_a_few_times_an_evaluation(few_digits: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    start, first, evaluated, end = waits(DIGITS, few_digits, monkeypatch)[1]
    assert start <= WAITS_OF_THE_START + WAITS_OF_AN_EVALUATION
    assert first - start == WAITS_OF_AN_EPOCH
    assert evaluated - first <= WAITS_OF_AN_EPOCH + WAITS_OF_AN_EVALUATION
    assert end - evaluated <= WAITS_OF_AN_EPOCH + WAITS_OF_THE_LAST_EVALUATION


def test_what_reads_values_or_mixes_devices_is_noticed() -> None:
    with pretending() as pretence:
        there = torch.arange(4, dtype=torch.float32).to(NAME)
        assert str(there.device) == "gpu:0"
        assert pretence.waits.total() == 1, "to the device, from memory that is not pinned"
        torch.zeros(3).to(NAME, non_blocking=True)
        _ = there.sum() + 2.0
        assert pretence.waits.total() == 1
        for count, read in enumerate(
            (
                lambda: there.sum().item(),
                lambda: there[there > 1],
                lambda: there.nonzero(),
                lambda: there.tolist(),
                lambda: there.cpu(),
                lambda: torch.zeros(4).copy_(there),
                lambda: bool(there.isfinite().all()),
                lambda: there.unique(),
            ),
            start=2,
        ):
            read()
            assert pretence.waits.total() == count
        with pytest.raises(RuntimeError, match=r"mul\.Tensor got tensors of gpu:0 and of the CPU"):
            there * torch.ones(4)
        with pytest.raises(RuntimeError, match="and of the CPU"):
            there[torch.tensor([0, 1])]


def test_mixed_devices_in_a_training_are_found(few_digits: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("trainables.training.batches.send", lambda tensor, device: tensor)
    with pretending(), pytest.raises(RuntimeError, match="got tensors of gpu:0 and of the CPU"):
        train_pack(Pack(SHORT, MEMBERS), few_digits, NAME)


@pytest.fixture
def _own_settings() -> Iterator[None]:
    """Another device's arithmetic, put back afterwards."""
    cudnn = torch.backends.cudnn
    before = cudnn.allow_tf32, cudnn.deterministic, cudnn.benchmark, torch.get_float32_matmul_precision()
    cudnn.allow_tf32, cudnn.deterministic, cudnn.benchmark = True, False, True
    torch.set_float32_matmul_precision("high")
    yield
    cudnn.allow_tf32, cudnn.deterministic, cudnn.benchmark = before[:3]
    torch.set_float32_matmul_precision(before[3])


def is_exact() -> bool:
    cudnn = torch.backends.cudnn
    exact = cudnn.deterministic and not cudnn.allow_tf32 and not cudnn.benchmark
    return exact and torch.get_float32_matmul_precision() == "highest"


@pytest.mark.usefixtures("_own_settings")
def test_convolutions_and_products_there_are_exact_in_training_and_in_a_backbone(images: dict[str, Dataset]) -> None:
    structure = replace(SHORT, dataset="folder:birds", encoder="cnn", batch_size=16)
    train_pack(Pack(structure, (ALONE,)), images["closed"])
    assert not is_exact(), "a process that uses no GPU keeps its settings"
    seen: Counter[tuple[str, bool]] = Counter()

    def watch(operation: str) -> None:
        seen[operation, is_exact()] += 1

    def trained() -> None:
        train_pack(Pack(structure, (ALONE,)), images["closed"], NAME)

    def embedded() -> None:
        backbone = torch.nn.Conv2d(3, 4, 3).requires_grad_(False)
        backbone._apply(lambda tensor: tensor.to(NAME))
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(torch, "inference_mode", torch.no_grad)  # it keeps operations from the device that pretends
            embed(backbone, torch.rand(2, 3, 8, 8), torch.device(NAME))

    for use in (trained, embedded):
        torch.backends.cudnn.allow_tf32 = True
        seen.clear()
        with pretending(watch):
            use()
        assert seen["aten.convolution.default", True] > 0
        assert seen["aten.convolution.default", False] == 0


def test_the_smallest_of_long_rows_are_found_there_in_little_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    values = torch.rand(3, 40, 600, generator=torch.Generator().manual_seed(0)).mul(99).round()
    here = smallest_columns(values, 60), argsort_rows(values), smallest_columns(values[0, 0], 60)

    def there() -> Pretence:
        with pretending() as pretence:
            given = values.to(NAME)
            found = smallest_columns(given, 60), smallest_columns(given[0, 0], 60)
            assert torch.equal(found[0].cpu(), here[0])
            assert torch.equal(found[1].cpu(), here[2])
        return pretence

    assert there().largest == values.numel()
    monkeypatch.setattr(ordering, "_GPU_KEYS", 7 * 600)
    assert there().largest == 3 * 40 * 60, "the result, and no more than 7 rows of keys"
    with pretending():
        assert torch.equal(argsort_rows(values.to(NAME)).cpu(), here[1])
