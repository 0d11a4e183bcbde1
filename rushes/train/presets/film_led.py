"""The shipped film model, third stage: told where its subjects are, so that shapes are learned in their own places."""

from dataclasses import replace

from rushes.train.film import Bucket, FilmConfig
from rushes.train.optimizer import OptimizerConfig
from rushes.train.presets.film_close import film_close
from rushes.train.trainer import RunConfig

MIXED = (0.7, 0.3)  # films of one subject and of two


def film_led() -> FilmConfig:
    """An hour and a half on one core, from the second stage's weights: one or two subjects, two aspects."""
    close = film_close()
    return replace(
        close,
        run=RunConfig(steps=2000, checkpoint_every=100, preview_every=500, init="weights/film"),
        optimizer=OptimizerConfig(lr=1e-3, muon_lr=0.02, ema=0.998),
        model=replace(close.model, layout=True),
        buckets=(
            Bucket(seconds=1, rows=9, columns=16, num=16384, share=0.15, batch=24),
            Bucket(seconds=1, rows=9, columns=16, num=16384, share=0.4, batch=80, crop=(6, 7)),
            Bucket(seconds=3, rows=9, columns=16, num=2048, share=0.15, batch=20, crop=(6, 9)),
            Bucket(
                seconds=1, rows=9, columns=16, num=8192, share=0.2, batch=80, crop=(6, 7), num_subjects_weights=MIXED
            ),
            Bucket(
                seconds=1, rows=12, columns=12, num=2048, share=0.1, batch=80, crop=(6, 7), num_subjects_weights=MIXED
            ),
        ),
    )


SPEC = film_led
