"""The toy film model: the whole path of training in under a minute, on the toy autoencoder of `toy_transform`."""

from rushes.models import toy as toys
from rushes.train.film import Bucket, FilmConfig
from rushes.train.optimizer import OptimizerConfig
from rushes.train.presets.film import ONE_SUBJECT
from rushes.train.trainer import RunConfig


def toy() -> FilmConfig:
    """A few seconds of one core for the data and a few for 20 steps."""
    return FilmConfig(
        run=RunConfig(steps=20, checkpoint_every=5, preview_every=20, log_every=5, dtype="float32", threads=1),
        optimizer=OptimizerConfig(lr=3e-3, muon_lr=0.02, ema=0.9),
        model=toys.transformer(),
        autoencoder="runs/toy_transform/weights",
        buckets=(
            Bucket(seconds=1, rows=9, columns=16, num=128, share=0.7, batch=8),
            Bucket(seconds=2, rows=12, columns=12, num=128, share=0.3, batch=4),
        ),
        filters=ONE_SUBJECT,
        workers=1,
    )


SPEC = toy
