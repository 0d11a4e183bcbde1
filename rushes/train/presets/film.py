"""The shipped film model, first stage: one-second films of one subject, on two CPU cores."""

from rushes.models.transformer import TransformerConfig
from rushes.train.film import Bucket, FilmConfig
from rushes.train.optimizer import OptimizerConfig
from rushes.train.trainer import RunConfig
from rushes.world.scene import SceneFilters

ONE_SUBJECT = SceneFilters(num_subjects_weights=(1.0, 0.0), still_camera=0.7, durations_s=(1.0, 3.0, 3.0, 10.0))


def film() -> FilmConfig:
    """About an hour on two cores."""
    return FilmConfig(
        run=RunConfig(steps=1500, checkpoint_every=100, preview_every=250),
        optimizer=OptimizerConfig(lr=1e-3, muon_lr=0.02, ema=0.998),
        model=TransformerConfig(depth=6, hidden=704),
        buckets=(Bucket(seconds=1, rows=9, columns=16, num=24576, share=1.0, batch=32),),
        filters=ONE_SUBJECT,
    )


SPEC = film
