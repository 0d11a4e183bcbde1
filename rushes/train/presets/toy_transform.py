"""The toy autoencoder's transform, with an untaught painter: what the toy film model needs."""

from rushes.models import toy as toys
from rushes.train.paint import PaintConfig
from rushes.train.presets.film import ONE_SUBJECT
from rushes.train.trainer import RunConfig


def toy_transform() -> PaintConfig:
    """A second or two on one core."""
    return PaintConfig(run=RunConfig(steps=0), model=toys.autoencoder(), filters=ONE_SUBJECT, num_windows=24, workers=1)


SPEC = toy_transform
