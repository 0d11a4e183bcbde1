"""Tests of finding where numbers end."""

import torch
from torch import Tensor, nn

from rushes.train.parallel import blame
from rushes.train.parallel.world import World


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(nn.Linear(2, 2) for _ in range(3))

    def forward(self, x: Tensor) -> Tensor:
        for block in self.blocks:
            x = block(x)
        return x


def ask(net: Net, scale: float = 1.0) -> str:
    return blame.layer(net, lambda: net(torch.ones(1, 2)).sum() * scale, World())


def test_the_first_layer_whose_output_is_no_number_is_named() -> None:
    net = Net()
    net.blocks[1].weight.data[0, 0] = float("nan")
    assert ask(net) == "in the output of blocks.1"


def test_the_loss_itself_is_named() -> None:
    assert ask(Net(), float("inf")) == "in the loss itself"


def test_a_gradient_is_named_nearest_to_the_loss() -> None:
    net = Net()
    net.blocks[1].register_full_backward_hook(lambda module, into, out: (into[0] * float("inf"),))
    assert ask(net) == "in the gradient of blocks.0.bias"


def test_all_numbers_are_nobodys_fault() -> None:
    net = Net()
    assert ask(net) == ""
    assert not any(module._forward_hooks for module in net.modules())
