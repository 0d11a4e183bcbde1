"""The shipped film model, second stage: windows around the subject, so that it sees ten times as many of them."""

from dataclasses import replace

from rushes.train.film import Bucket, FilmConfig
from rushes.train.optimizer import OptimizerConfig
from rushes.train.presets.film import film
from rushes.train.trainer import RunConfig


def film_close() -> FilmConfig:
    """About two hours on one core, from the first stage's weights."""
    return replace(
        film(),
        run=RunConfig(steps=3000, checkpoint_every=100, preview_every=500, init="weights/film"),
        optimizer=OptimizerConfig(lr=1e-3, muon_lr=0.02, ema=0.998),
        buckets=(
            Bucket(seconds=1, rows=9, columns=16, num=16384, share=0.15, batch=24),
            Bucket(seconds=1, rows=9, columns=16, num=16384, share=0.7, batch=80, crop=(6, 7)),
            Bucket(seconds=3, rows=9, columns=16, num=2048, share=0.15, batch=20, crop=(6, 9)),
        ),
    )


SPEC = film_close
