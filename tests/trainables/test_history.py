from __future__ import annotations

import torch

from trainables.history import History


def test_a_metric_that_ends_not_finite_leaves_no_earlier_value_to_be_taken_for_the_final_one() -> None:
    history = History(2)
    history.record(0, {"test/a": torch.tensor([1.0, 2.0]), "test/b": torch.tensor([5.0, 6.0])})
    history.record(9, {"test/a": torch.tensor([torch.nan, 3.0]), "test/b": torch.tensor([7.0, 8.0])})
    assert list(history.points(0)) == [("test/b", 0, 5.0), ("test/b", 9, 7.0)]
    assert len(list(history.points(1))) == 4


def test_sentence_23_nothing_is_kept_from_the_epoch_of_divergence_on() -> None:
    history = History(2)
    for epoch in (1, 2, 3):
        losses = torch.tensor([1.0, torch.inf if epoch == 2 else 0.5])
        history.check_divergence(epoch, losses)
        history.record(epoch, {"train/loss": torch.tensor([1.0, 0.5])})
    assert history.diverged == [None, 2]
    assert list(history.points(1)) == [("train/loss", 1, 0.5)]
