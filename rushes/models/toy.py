"""A toy of the film model and of the autoencoder: the same code at about 100,000 parameters, trained in seconds."""

from __future__ import annotations

from rushes.models import Family
from rushes.models.autoencoder import AutoencoderConfig
from rushes.models.text import TextConfig
from rushes.models.transformer import Transformer, TransformerConfig

CHANNELS = 24


def transformer() -> TransformerConfig:
    """Return a film model of four narrow blocks; its vocabulary is still to be set."""
    text = TextConfig(width=32, depth=1, heads=2)
    return TransformerConfig(channels=CHANNELS, width=32, depth=4, heads=2, hidden=64, text=text)


def autoencoder() -> AutoencoderConfig:
    """Return an autoencoder whose cells are half as wide: its transform has a quarter of the size to diagonalise."""
    return AutoencoderConfig(channels=CHANNELS, cell=8, widths=(24, 12, 8, 6, 6))


SPEC = Family(name="transformer", config=TransformerConfig, model=Transformer, full=transformer, tiny=transformer)
