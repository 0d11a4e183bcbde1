"""Tests that latents go back to where they came from, whatever an autoencoder's scale and a pipeline's layout."""

from __future__ import annotations

from pathlib import Path

import open_weights
import pytest
import torch

from rushes.models.open import _latents as latents

VAES = {
    "films": open_weights.wan_vae,
    "pictures": open_weights.picture_vae,
    "shifted": lambda: open_weights.picture_vae(shift_factor=0.1, scaling_factor=0.3),
}


@pytest.mark.parametrize("kind", VAES)
def test_a_picture_is_painted_as_its_autoencoder_does(kind: str) -> None:
    torch.manual_seed(0)
    vae = VAES[kind]().eval()
    pixels = torch.rand(1, 3, 1, 32, 48, generator=torch.Generator().manual_seed(0)) * 2 - 1
    made = latents.encoded(vae, pixels)
    assert made.shape[2:] == latents.grid(vae, 1, 32, 48)
    with torch.no_grad():
        raw = pixels if kind == "films" else pixels[:, :, 0]
        wanted = vae.decode(vae.encode(raw).latent_dist.mode()).sample
    assert torch.allclose(latents.painted(vae, made), wanted.reshape(3, 32, 48), atol=1e-4)


@pytest.mark.parametrize("name", ["ltx-video-2b", "flux-schnell", "cogvideox1.5-5b", "sdxl"])
def test_a_layout_is_undone(name: str, tmp_path: Path) -> None:
    from rushes.models.open import _catalogue as catalogue

    layout, pipe = catalogue.models()[name].family.load.layout, open_weights.PIPELINES[name]()  # type: ignore[union-attr]
    x = torch.randn(2, 4, 1, 4, 6)
    assert torch.equal(layout.take(pipe, layout.carry(pipe, x), (1, 4, 6)), x)
