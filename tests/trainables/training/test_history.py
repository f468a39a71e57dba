from __future__ import annotations

import torch

from trainables.training.history import History, Sketch


def test_a_metric_with_a_value_that_is_not_finite_is_left_out() -> None:
    history = History(2)
    history.record(0, {"test/a": torch.tensor([1.0, 2.0]), "test/b": torch.tensor([5.0, 6.0])})
    history.record(9, {"test/a": torch.tensor([torch.nan, 3.0]), "test/b": torch.tensor([7.0, 8.0])})
    assert list(history.points(0)) == [("test/b", 0, 5.0), ("test/b", 9, 7.0)]
    assert len(list(history.points(1))) == 4


def test_sentence_23_nothing_is_kept_from_the_epoch_of_divergence_on() -> None:
    history = History(2)
    for epoch in (1, 2, 3):
        probe = torch.tensor([1.0, torch.inf if epoch == 2 else 0.5])
        history.record(epoch, {"train/loss": torch.tensor([1.0, 0.5]), "train/probe_loss": probe})
        history.check_divergence(epoch, ("train/loss", "train/probe_loss"))
    assert history.diverged == [None, 2]
    assert list(history.points(1)) == [("train/loss", 1, 0.5), ("train/probe_loss", 1, 0.5)]


def test_a_mean_over_epochs_does_not_depend_on_the_pack() -> None:
    values = torch.rand(33, 41, generator=torch.Generator().manual_seed(0), dtype=torch.float64)

    def mean(columns: slice) -> torch.Tensor:
        history = History(len(values[0, columns]))
        for epoch, row in enumerate(values[:, columns], start=1):
            history.record(epoch, {"train/a": row})
        result = history.mean_over_epochs("train/a")
        assert result is not None
        return result

    together = mean(slice(None))
    assert torch.allclose(together, values.mean(0), rtol=1e-12)
    for start, end in ((0, 1), (40, 41), (3, 8), (20, 37), (7, 40)):
        assert torch.equal(mean(slice(start, end)), together[start:end])


def test_what_a_member_has_not_is_left_out_for_it_alone_also_after_halving() -> None:
    halves = [History(1), History(1)]
    for half, value in zip(halves, (torch.nan, 4.0), strict=True):
        half.record(5, {"train/since": torch.tensor([value])})
    together = History.concatenate(halves)
    assert list(together.points(0)) == []
    assert list(together.points(1)) == [("train/since", 5, 4.0)]


def test_a_sketch_that_is_not_finite_is_not_kept() -> None:
    history = History(2)
    history.keep_sketch(0, torch.tensor([[1.0, torch.nan]]), torch.tensor([3]))
    history.keep_sketch(1, torch.tensor([[1.0, 2.0]]), torch.tensor([3]))
    assert history.sketches == [None, Sketch([1.0], [2.0], [3])]
