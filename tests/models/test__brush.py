"""Tests of the brush: it paints what the painter's own layers paint, at every size, to the very borders."""

from pathlib import Path

import pytest
import torch
from torch import Tensor

from rushes.models._brush import TOGETHER, TOLERATED, Brush
from rushes.models.autoencoder import HEADS, Autoencoder, lay_out, tiny, triples

FRAMES = torch.tensor([1, 6])


@pytest.fixture(scope="module")
def shipped() -> Autoencoder:
    return Autoencoder.from_pretrained(Path("weights/autoencoder"))


def noise(model: Autoencoder, rows: int, columns: int, seed: int) -> Tensor:
    random = torch.Generator().manual_seed(seed)
    latent = torch.randn(1, model.config.channels, 3, rows, columns, generator=random)
    return triples(latent * model.transform.deviation().view(-1, 1, 1, 1))[1:2]


def both(model: Autoencoder, pixels: int, rows: int = 4, columns: int = 5) -> tuple[Tensor, Tensor]:
    """Return the levels of two frames as the painter's own layers paint them and as the brush does."""
    joined, head = noise(model, rows, columns, seed=1), model.painter.heads[str(pixels)]
    with torch.inference_mode():
        layers = lay_out(model.painter(model.features(joined, FRAMES), pixels)) * 127.5 + 128
        brush = Brush(
            model.painter, head, model.features(noise(model, 4, 4, seed=0), FRAMES), (16 * rows, 16 * columns)
        )
        views = model.views(joined)[0, FRAMES].contiguous(memory_format=torch.channels_last)
        return layers.clamp(0, 255), brush.paint(model.painter.timeline(joined)[0, FRAMES], views)


@pytest.mark.parametrize("pixels", HEADS)
def test_it_paints_what_the_layers_paint(shipped: Autoencoder, pixels: int) -> None:
    layers, brushed = both(shipped, pixels)
    assert brushed.shape == layers.shape == (2, 4 * pixels, 5 * pixels, 3)
    missed = (layers - brushed).square().mean((0, 3)).sqrt()
    assert missed.mean() < 2 * TOLERATED
    border = torch.ones_like(missed, dtype=torch.bool)
    border[pixels // 16 : -pixels // 16, pixels // 16 : -pixels // 16] = False
    assert missed[border].mean() < 2 * TOLERATED


def test_joined_layers_are_exact_where_the_head_needs_every_direction() -> None:
    torch.manual_seed(0)
    model = Autoencoder(tiny()).eval().requires_grad_(False)
    for parameter in model.painter.parameters():
        parameter.add_(torch.randn(parameter.shape) * 0.1)
    layers, brushed = both(model, 48)
    assert torch.allclose(layers, brushed, atol=0.02)
    assert layers.std() > 10


def test_the_shipped_head_needs_few_directions(shipped: Autoencoder) -> None:
    seen = shipped.features(noise(shipped, 4, 4, seed=0), FRAMES)
    brush = Brush(shipped.painter, shipped.painter.heads["80"], seen, (64, 64))
    assert brush.enlarges == 5
    assert brush.num_directions % TOGETHER == 0
    assert brush.num_directions <= 32
