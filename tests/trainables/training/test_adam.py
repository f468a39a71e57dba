from __future__ import annotations

import subprocess
import sys

import pytest
import torch

from trainables.networks.parameters import StackedParameters, stack_parameters
from trainables.training.adam import stacked_adam

LRS = (1e-3, 1e-3, 1e-2, 1e-3)
DECAYS = (0.0, 1e-2, 0.5, 0.0)
NO_DECAY = (0.0,) * len(LRS)


DEVICES = ["cpu", pytest.param("cuda", marks=pytest.mark.gpu)]


def some_parameters(device: str) -> StackedParameters:
    generator = torch.Generator().manual_seed(0)
    members = [{"weight": torch.randn(5, 30, generator=generator)} for _ in LRS]
    return stack_parameters(members, torch.device(device))


def gradients(step: int, like: torch.Tensor) -> torch.Tensor:
    return torch.randn(like.shape, generator=torch.Generator().manual_seed(100 + step)).to(like.device)


@pytest.mark.parametrize("device", DEVICES)
def test_each_member_steps_as_with_pytorchs_optimizer_bit_for_bit(device: str) -> None:
    parameters = some_parameters(device)
    alone = [row.clone().requires_grad_() for row in parameters.values]
    optimizers = [torch.optim.Adam([row], lr=lr, fused=True) for row, lr in zip(alone, LRS, strict=True)]
    stacked = stacked_adam(parameters, LRS, NO_DECAY)
    for step in range(20):
        parameters.gradients.copy_(gradients(step, parameters.gradients))
        stacked.step()
        for row, gradient, optimizer in zip(alone, parameters.gradients, optimizers, strict=True):
            row.grad = gradient.clone()
            optimizer.step()
    assert torch.equal(parameters.values, torch.stack([row.detach() for row in alone]))


@pytest.mark.parametrize("device", DEVICES)
def test_weight_decay_is_decoupled_as_in_pytorchs_adamw(device: str) -> None:
    """And a member without any has the bits that it has among members without any."""
    parameters, without = some_parameters(device), some_parameters(device)
    alone = [row.clone().requires_grad_() for row in parameters.values]
    optimizers = [
        torch.optim.AdamW([row], lr=lr, weight_decay=decay, foreach=False, fused=False)
        for row, lr, decay in zip(alone, LRS, DECAYS, strict=True)
    ]
    stacked, plain = stacked_adam(parameters, LRS, DECAYS), stacked_adam(without, LRS, NO_DECAY)
    for step in range(20):
        parameters.gradients.copy_(gradients(step, parameters.gradients))
        without.gradients.copy_(parameters.gradients)
        stacked.step()
        plain.step()
        for row, gradient, optimizer in zip(alone, parameters.gradients, optimizers, strict=True):
            row.grad = gradient.clone()
            optimizer.step()
    torch.testing.assert_close(parameters.values, torch.stack([row.detach() for row in alone]))
    decays = torch.tensor(DECAYS) > 0
    assert torch.equal(parameters.values[~decays], without.values[~decays])
    assert (parameters.values - without.values)[decays].abs().amin() > 0


@pytest.mark.parametrize("device", DEVICES)
def test_a_restored_optimizer_continues_as_without_the_stop(device: str) -> None:
    parameters, again = some_parameters(device), some_parameters(device)
    uninterrupted = stacked_adam(parameters, LRS, DECAYS)
    for step in range(6):
        parameters.gradients.copy_(gradients(step, parameters.gradients))
        uninterrupted.step()
        if step == 2:
            again.values.copy_(parameters.values)
            state = {name: tensor.cpu().clone() for name, tensor in uninterrupted.state().items()}
    restored = stacked_adam(again, LRS, DECAYS)
    restored.restore(state)
    for step in range(3, 6):
        again.gradients.copy_(gradients(step, again.gradients))
        restored.step()
    assert torch.equal(again.values, parameters.values)


def test_training_does_not_import_pytorchs_compiler() -> None:
    script = (
        "import sys\n"
        "from trainables.datasets.registry import load_vectors\n"
        "from tests.trainables.test_invariants import ALONE, DIGITS\n"
        "from trainables.pack import Pack\n"
        "from trainables.training.loop import train_pack\n"
        "train_pack(Pack(DIGITS, (ALONE,)), load_vectors('digits'))\n"
        "assert 'torch._dynamo' not in sys.modules\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
