"""What must hold for every training: packs, seeds and test data do not change results."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from tests.trainables.images import save_classes
from trainables.datasets.image_files import list_image_folder
from trainables.datasets.images import decode_images
from trainables.datasets.registry import load_vectors
from trainables.datasets.splits import Dataset, make_dataset, split_dataset
from trainables.datasets.synthetic import AnyDataset, SyntheticOptions
from trainables.objectives.losses import LOSSES
from trainables.objectives.miners import MINERS
from trainables.pack import Member, Pack, Structure
from trainables.random_streams import random_stream
from trainables.training.batches import load_pack_data
from trainables.training.history import History, Sketch
from trainables.training.loop import train_pack
from trainables.training.samplers import SAMPLERS

DIGITS = Structure(
    dataset="digits",
    encoder="mlp",
    split="closed",
    loss="triplet",
    miner="all",
    epochs=3,
    batch_size=64,
    sampler="shuffle",
    samples_per_class=4,
    embedding_dim=30,  # does not fill complete SIMD registers
    normalize=False,
    augment=False,
    evaluate_every=2,
)
SMALL_CLUSTERS = SyntheticOptions(samples_per_class=80)
ALONE = Member(0.5, 1e-3, 7)
# From five epochs on, and beyond multiples of 16 members, a sum over epochs may add in another order.
EIGHT_EPOCHS = replace(DIGITS, epochs=8, evaluate_every=5, batch_size=50)
MEMBERS = tuple(
    Member((0.2, 0.5, 1.0, 4.0)[i % 4], (3e-4, 1e-3, 1e-2)[i % 3], i % 11, (0.0, 1e-2)[i % 2]) for i in range(33)
)
PACKS = ([0], [16], [32], range(28, 33), range(16), range(3, 20), range(9, 33), range(33))  # places in MEMBERS
OTHERS = tuple(Member(margin, lr, seed) for margin in (0.2, 1.0) for lr in (3e-4, 1e-3, 1e-2) for seed in range(3))


@pytest.fixture(scope="module")
def digits() -> Dataset:
    return load_vectors("digits")


def image_folder(folder: Path, split: str) -> Dataset:
    """A folder of images without a test part."""
    listing = list_image_folder(save_classes(folder, 8, 12))
    pixels, _ = decode_images(listing, 8, 3)
    return make_dataset("folder:birds", pixels, torch.tensor(listing.labels), split)


@pytest.fixture(scope="module")
def few_digits(digits: Dataset) -> Dataset:
    return make_dataset("digits", digits.inputs[:220], digits.labels[:220], "closed")


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


def points(history: History, member: int) -> dict[tuple[str, int], float]:
    return {(metric, epoch): value for metric, epoch, value in history.points(member)}


def results(structure: Structure, places: Sequence[int], dataset: Dataset) -> dict[int, tuple[object, Sketch | None]]:
    """All that is recorded of some of `MEMBERS`, trained as one pack."""
    history = train_pack(Pack(structure, tuple(MEMBERS[place] for place in places)), dataset)
    return {place: (points(history, row), history.sketches[row]) for row, place in enumerate(places)}


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("miner", sorted(MINERS.keys() - {"random"}))  # "distance_weighted" draws as well
def test_a_run_alone_and_in_packs_of_5_16_17_24_and_33_agrees_bit_for_bit(
    few_digits: Dataset, loss: str, miner: str
) -> None:
    structure = replace(EIGHT_EPOCHS, loss=loss, miner=miner)
    first: dict[int, tuple[object, Sketch | None]] = {}
    for places in PACKS:
        for place, result in results(structure, places, few_digits).items():
            assert first.setdefault(place, result) == result
    recorded, drawn = first[0]
    assert isinstance(recorded, dict)
    assert len(recorded) > 100
    assert drawn is not None


@pytest.mark.parametrize("dim", [7, 10])
@pytest.mark.parametrize("batch_size", [13, 50])
def test_the_pack_does_not_matter_for_members_that_begin_anywhere_in_memory(
    few_digits: Dataset, dim: int, batch_size: int
) -> None:
    structure = replace(EIGHT_EPOCHS, epochs=1, embedding_dim=dim, batch_size=batch_size)
    together = results(structure, range(8), few_digits)
    for place in range(3):
        assert results(structure, [place], few_digits)[place] == together[place]


@pytest.mark.parametrize("data", ["synthetic", "images", "class-disjoint images"])
def test_sentence_1_what_a_seed_draws_does_not_depend_on_the_pack(data: str, tmp_path: Path) -> None:
    """Packs of many sizes, whose members all have seeds of their own."""
    dataset: AnyDataset
    if data == "synthetic":
        dataset, fields = load_vectors(data, SMALL_CLUSTERS), {}
    else:
        split = "closed" if data == "images" else "disjoint"
        dataset, fields = image_folder(tmp_path / "birds", split), {"encoder": "cnn", "split": split}
    structure = replace(DIGITS, dataset=dataset.name, epochs=8, evaluate_every=8, **fields)  # type: ignore[arg-type]
    alone = train_pack(Pack(structure, (ALONE,)), dataset)
    assert len(points(alone, 0)) > 50
    assert alone.sketches[0] is not None
    for size in (5, 16, 17, 24, 33):
        others = [Member(0.2 + 0.1 * (seed % 3), 1e-3, 100 + seed) for seed in range(size - 1)]
        place = size // 2
        together = train_pack(Pack(structure, (*others[:place], ALONE, *others[place:])), dataset)
        assert points(together, place) == points(alone, 0), size
        assert together.sketches[place] == alone.sketches[0], size


def test_members_of_one_seed_share_its_draw_and_no_member_has_a_copy() -> None:
    synthetic, cpu = load_vectors("synthetic"), torch.device("cpu")
    members = tuple(Member(margin, 1e-3, seed) for margin in (0.2, 0.5, 1.0) for seed in (3, 4))
    data = load_pack_data(Pack(replace(DIGITS, dataset="synthetic"), members), synthetic, cpu)
    assert len(data.train.inputs) == 2 * 2000
    assert all(part.inputs is data.train.inputs for part in (*data.validation, *data.test))
    (test,) = data.test
    assert torch.equal(test.positions[0], test.positions[2])
    assert not set(test.positions[0].tolist()) & set(test.positions[1].tolist())
    inputs, labels = test.batch(slice(None))
    for row, seed in ((0, 3), (1, 4)):
        drawn = synthetic.draw(seed)
        own = split_dataset(drawn, seed).test
        assert torch.equal(inputs[row], drawn.inputs[own])
        assert torch.equal(labels[row], drawn.labels[own])


@pytest.mark.parametrize("dataset", ["digits", "synthetic"])
def test_sentence_1_a_seed_gives_both_losses_the_same_data_and_another_seed_other_test_data(dataset: str) -> None:
    tested = {}
    for loss, seed in (("contrastive", 7), ("triplet", 7), ("triplet", 8)):
        pack = Pack(replace(DIGITS, dataset=dataset, loss=loss), (Member(0.5, 1e-3, 1), Member(0.5, 1e-3, seed)))
        (part,) = load_pack_data(pack, load_vectors(dataset), torch.device("cpu")).test
        tested[loss, seed] = part.batch(slice(None))[0][1]
    assert torch.equal(tested["contrastive", 7], tested["triplet", 7])
    assert tested["triplet", 7].shape == tested["triplet", 8].shape
    assert not torch.equal(tested["triplet", 7], tested["triplet", 8])


@pytest.mark.parametrize("sampler", SAMPLERS)
@pytest.mark.parametrize("normalize", [False, True])
def test_the_pack_does_not_matter_for_any_sampler_or_normalisation(
    digits: Dataset, sampler: str, normalize: bool
) -> None:
    structure = replace(DIGITS, sampler=sampler, normalize=normalize)
    alone = points(train_pack(Pack(structure, (ALONE,)), digits), 0)
    together = points(train_pack(Pack(structure, (*OTHERS[:15], ALONE)), digits), 15)
    assert together == alone


def test_the_same_pack_twice_gives_identical_results(digits: Dataset) -> None:
    pack = Pack(replace(DIGITS, miner="distance_weighted"), (ALONE, *OTHERS[:3]))
    first, second = train_pack(pack, digits), train_pack(pack, digits)
    assert all(points(first, member) == points(second, member) for member in range(4))


def test_both_losses_start_from_the_same_weights_and_embeddings(digits: Dataset) -> None:
    untrained = []
    for loss in LOSSES:
        history = train_pack(Pack(replace(DIGITS, loss=loss, epochs=1), (ALONE,)), digits)
        untrained.append({key: value for key, value in points(history, 0).items() if key[1] == 0})
    assert untrained[0] == untrained[1]
    assert untrained[0][("test/map_at_r", 0)] > 0


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_both_losses_get_the_same_batches_and_random_numbers(digits: Dataset, sampler: str) -> None:
    cpu = torch.device("cpu")
    seen = []
    for loss, member in (("contrastive", ALONE), ("triplet", Member(9.0, 1.0, ALONE.seed))):
        structure = replace(DIGITS, loss=loss, sampler=sampler, miner="random")
        seen.append(list(load_pack_data(Pack(structure, (member,)), digits, cpu).batches(epoch=2)))
    for first, second in zip(*seen, strict=True):
        assert all(torch.equal(a, b) for a, b in zip(first, second, strict=True))  # type: ignore[arg-type]


def test_seeds_differ_in_split_weights_and_batches(digits: Dataset) -> None:
    data = load_pack_data(Pack(DIGITS, (ALONE, Member(0.5, 1e-3, 8))), digits, torch.device("cpu"))
    assert not torch.equal(*data.validation[0].positions)
    inputs, _, _ = next(data.batches(1))
    assert not torch.equal(inputs[0], inputs[1])
    draws = [torch.rand(4, generator=random_stream("digits", seed, "weights")) for seed in (7, 8)]
    assert not torch.equal(*draws)


@pytest.mark.parametrize("official", [False, True])
def test_test_data_change_only_the_test_metrics(digits: Dataset, official: bool) -> None:
    """An official test part is garbled with its labels. Without one, labels say which samples a seed draws."""
    test = split_dataset(digits, ALONE.seed).test
    if official:
        test_part = torch.zeros(len(digits.labels), dtype=torch.bool)
        test_part[test] = True
        digits = make_dataset("digits", digits.inputs, digits.labels, "closed", test_part)
    inputs, labels = digits.inputs.clone(), digits.labels.clone()
    generator = torch.Generator().manual_seed(0)
    inputs[test] = torch.rand(inputs[test].shape, generator=generator)
    if official:
        labels[test] = labels[test][torch.randperm(len(test), generator=generator)]
    garbled = replace(digits, inputs=inputs, labels=labels)
    pack = Pack(DIGITS, (ALONE,))
    true, false = points(train_pack(pack, digits), 0), points(train_pack(pack, garbled), 0)
    for key, value in true.items():
        if key[0].startswith("test/"):
            continue
        assert false[key] == value
    assert true[("test/map_at_r", 3)] > 2 * false[("test/map_at_r", 3)]


def test_sentence_23_a_diverging_member_does_not_change_the_others(digits: Dataset) -> None:
    wild = Member(1.0, 1e30, 3)
    alone = points(train_pack(Pack(DIGITS, (ALONE,)), digits), 0)
    history = train_pack(Pack(DIGITS, (wild, ALONE, Member(1.0, 1e-3, 3))), digits)
    assert history.diverged[0] is not None
    assert history.diverged[1:] == [None, None]
    assert points(history, 1) == alone
    assert all(epoch < history.diverged[0] for _, epoch in points(history, 0))


@pytest.mark.gpu
@pytest.mark.parametrize("loss", LOSSES)
def test_a_gpu_agrees_with_the_cpu_within_rounding(digits: Dataset, loss: str) -> None:
    """A GPU sums in another order. After three epochs of Adam this changes about the third digit."""
    pack = Pack(replace(DIGITS, loss=loss), (ALONE, *OTHERS[:3]))
    cpu, gpu = points(train_pack(pack, digits), 0), points(train_pack(pack, digits, "cuda"), 0)
    for name in ("train/loss", "train/grad_norm", "test/intra_variance", "test/inter_variance"):
        assert gpu[(name, 2)] == pytest.approx(cpu[(name, 2)], rel=2e-2)
