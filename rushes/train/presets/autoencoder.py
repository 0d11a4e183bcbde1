"""Teach the painter of the shipped autoencoder, starting from the fitted transform."""

from dataclasses import replace

from rushes.train.optimizer import OptimizerConfig
from rushes.train.paint import PaintConfig
from rushes.train.presets.transform import transform
from rushes.train.trainer import RunConfig


def autoencoder() -> PaintConfig:
    """Two CPU cores for about ten minutes."""
    return replace(
        transform(),
        run=RunConfig(steps=1100, checkpoint_every=200, preview_every=500, init="weights/autoencoder"),
        optimizer=OptimizerConfig(lr=1.5e-3, muon_lr=0.0, ema=0.998),
    )


SPEC = autoencoder
