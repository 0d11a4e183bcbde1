"""Tests of the toy: its size, and that its parts fit each other."""

from dataclasses import replace

import torch

from rushes.models import toy
from rushes.models.autoencoder import Autoencoder
from rushes.models.transformer import Transformer
from rushes.world.captions import words


def test_the_film_model_has_about_a_hundred_thousand_parameters() -> None:
    config = toy.transformer()
    config = replace(config, text=replace(config.text, words=tuple(sorted(words()))))
    assert 80_000 < sum(p.numel() for p in Transformer(config).parameters()) < 130_000


def test_the_autoencoder_makes_what_the_film_model_reads() -> None:
    autoencoder, film = Autoencoder(toy.autoencoder()), Transformer(toy.transformer())
    latent = autoencoder.encode(torch.zeros(1, 3, 8, 72, 128))
    assert latent.shape == (1, toy.CHANNELS, 2, 9, 16)
    prompt = film.read(torch.zeros(1, 32, dtype=torch.long))
    assert film(latent, torch.ones(1), prompt, (torch.zeros(1), torch.ones(1))).shape == latent.shape
