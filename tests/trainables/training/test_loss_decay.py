from __future__ import annotations

import torch

from trainables.training.loss_decay import LossDecay


def test_sentence_20_loss_decay_is_the_first_epoch_at_a_tenth_of_the_untrained_loss() -> None:
    """T is the first epoch with L_t <= q L_0; if there is none, the metric is E."""
    decay = LossDecay(torch.tensor([10.0, 10.0, 10.0]))
    for epoch, losses in enumerate([[6.0, 4.0, 9.0], [1.0, 3.0, 9.0], [8.0, 1.01, 9.0], [0.5, 0.9, 9.0]], start=1):
        decay.update(epoch, torch.tensor(losses))
    metrics = decay.metrics(last_epoch=4)
    assert metrics["loss_decay_epochs"].tolist() == [2.0, 4.0, 4.0]
    assert metrics["loss_decay_censored"].tolist() == [0.0, 0.0, 1.0]
    assert metrics["loss_halving_epochs"].tolist() == [2.0, 1.0, 4.0]
