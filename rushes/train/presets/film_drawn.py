"""The shipped film model, fourth stage: shown what its subjects look like, it paints over their cut-outs."""

from dataclasses import replace

from rushes.train.film import FilmConfig
from rushes.train.presets.film_led import film_led
from rushes.train.trainer import RunConfig


def film_drawn() -> FilmConfig:
    """An hour and a quarter on one core, from the third stage's weights, on the same films: more of them whole.

    A subject that is shown is soon learned; what is left to learn is where it is.
    """
    led = film_led()
    shares = (0.35, 0.15, 0.15, 0.2, 0.15)
    return replace(
        led,
        run=RunConfig(steps=1300, checkpoint_every=100, preview_every=500, init="weights/film", seed=3),
        model=replace(led.model, draft=True),
        subject_weight=2.0,
        buckets=tuple(replace(bucket, share=share) for bucket, share in zip(led.buckets, shares, strict=True)),
    )


SPEC = film_drawn
