"""The three invariants of the study, as far as training goes."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from trainables.datasets import Dataset, load_vectors
from trainables.history import History
from trainables.losses import LOSSES
from trainables.miners import MINERS
from trainables.placement import place
from trainables.samplers import SAMPLERS
from trainables.spec import Member, Pack, Structure
from trainables.streams import stream
from trainables.training import train_pack

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
    embedding_dim=30,  # no whole number of SIMD registers
    normalize=False,
    augment=False,
    evaluate_every=2,
)
ALONE = Member(0.5, 1e-3, 7)
OTHERS = tuple(Member(margin, lr, seed) for margin in (0.2, 1.0) for lr in (3e-4, 1e-3, 1e-2) for seed in range(3))


@pytest.fixture(scope="module")
def digits() -> Dataset:
    return load_vectors("digits")


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


def points(history: History, member: int) -> dict[tuple[str, int], float]:
    return {(metric, epoch): value for metric, epoch, value in history.points(member)}


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("miner", MINERS)
def test_a_run_alone_and_in_packs_of_3_and_16_agrees_bit_for_bit(digits: Dataset, loss: str, miner: str) -> None:
    structure = replace(DIGITS, loss=loss, miner=miner)
    alone = points(train_pack(Pack(structure, (ALONE,)), digits), 0)
    assert len(alone) > 50
    for size, position in ((3, 1), (16, 11)):
        members = (*OTHERS[:position], ALONE, *OTHERS[position : size - 1])
        together = points(train_pack(Pack(structure, members), digits), position)
        assert together == alone


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
def test_both_losses_see_the_same_batches_and_draws(digits: Dataset, sampler: str) -> None:
    cpu = torch.device("cpu")
    seen = []
    for loss, member in (("contrastive", ALONE), ("triplet", Member(9.0, 1.0, ALONE.seed))):
        structure = replace(DIGITS, loss=loss, sampler=sampler, miner="random")
        seen.append(list(place(Pack(structure, (member,)), digits, cpu).batches(epoch=2)))
    for ours, theirs in zip(*seen, strict=True):
        assert all(torch.equal(a, b) for a, b in zip(ours, theirs, strict=True))  # type: ignore[arg-type]


def test_seeds_differ_in_split_weights_and_batches(digits: Dataset) -> None:
    data = place(Pack(DIGITS, (ALONE, Member(0.5, 1e-3, 8))), digits, torch.device("cpu"))
    assert not torch.equal(*data.validation[0].positions)
    inputs, _, _ = next(data.batches(1))
    assert not torch.equal(inputs[0], inputs[1])
    draws = [torch.rand(4, generator=stream("digits", seed, "weights")) for seed in (7, 8)]
    assert not torch.equal(*draws)


def test_test_data_reach_nothing_but_the_test_metrics(digits: Dataset) -> None:
    garbled_inputs, garbled_labels = digits.inputs.clone(), digits.labels.clone()
    generator = torch.Generator().manual_seed(0)
    garbled_inputs[digits.test] = torch.rand(garbled_inputs[digits.test].shape, generator=generator)
    garbled_labels[digits.test] = garbled_labels[digits.test][torch.randperm(len(digits.test), generator=generator)]
    garbled = replace(digits, inputs=garbled_inputs, labels=garbled_labels)
    pack = Pack(DIGITS, (ALONE,))
    true, false = points(train_pack(pack, digits), 0), points(train_pack(pack, garbled), 0)
    for key, value in true.items():
        if key[0].startswith("test/"):
            continue
        assert false[key] == value
    assert true[("test/map_at_r", 3)] > 2 * false[("test/map_at_r", 3)]


def test_sentence_23_a_diverging_member_ends_and_leaves_the_others_untouched(digits: Dataset) -> None:
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
    """Sums are taken in another order there; three epochs of Adam carry that to about the third digit."""
    if not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    pack = Pack(replace(DIGITS, loss=loss), (ALONE, *OTHERS[:3]))
    cpu, gpu = points(train_pack(pack, digits), 0), points(train_pack(pack, digits, "cuda"), 0)
    for name in ("train/loss", "train/grad_norm", "test/intra_variance", "test/inter_variance"):
        assert gpu[(name, 2)] == pytest.approx(cpu[(name, 2)], rel=2e-2)
