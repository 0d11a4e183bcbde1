"""Fit the autoencoder's linear transform and ship it with an untaught painter, so that latents can be made at once."""

from rushes.train.paint import PaintConfig
from rushes.train.trainer import RunConfig


def transform() -> PaintConfig:
    """The transform of the shipped autoencoder; takes half a minute."""
    return PaintConfig(run=RunConfig(steps=0))


SPEC = transform
