"""The film model for one accelerator: every aspect, one or two subjects, on from the shipped weights."""

from dataclasses import replace

from rushes.train.film import Bucket, FilmConfig
from rushes.train.optimizer import OptimizerConfig
from rushes.train.presets.film import film
from rushes.train.presets.film_led import MIXED
from rushes.train.presets.film_thin import film_thin
from rushes.train.trainer import RunConfig

OTHER_GRIDS = ((16, 9), (12, 12), (8, 19), (19, 8), (10, 15), (15, 10))


def film_gpu() -> FilmConfig:
    """About twenty minutes on an H100, banks included; resumes between pieces like every run."""
    wide = (
        Bucket(seconds=1, rows=9, columns=16, num=98304, share=0.2, batch=256),
        Bucket(seconds=1, rows=9, columns=16, num=98304, share=0.4, batch=768, crop=(6, 7)),
        Bucket(seconds=3, rows=9, columns=16, num=24576, share=0.2, batch=96),
    )
    others = tuple(Bucket(seconds=1, rows=r, columns=c, num=8192, share=0.2 / 6, batch=256) for r, c in OTHER_GRIDS)
    base = film()
    return replace(
        base,
        run=RunConfig(
            steps=24000, checkpoint_every=1000, preview_every=4000, log_every=100, compile=True, init="weights/film"
        ),
        optimizer=OptimizerConfig(lr=1.5e-3, muon_lr=0.03, ema=0.9995),
        model=film_thin().model,
        no_lead=0.08,
        filters=replace(base.filters, num_subjects_weights=MIXED),
        buckets=(*wide, *others),
        workers=16,
    )


SPEC = film_gpu
