"""The shipped film model, sixth stage: with a third fewer blocks, whose work its leads have taken over."""

from dataclasses import replace

from rushes.train.film import FilmConfig
from rushes.train.presets.film_staged import film_staged
from rushes.train.trainer import RunConfig


def film_thin() -> FilmConfig:
    """An hour on one core, from the fifth stage's weights, on the same films; some of them not led at all."""
    staged = film_staged()
    text = replace(staged.model.text, depth=1)
    return replace(
        staged,
        run=RunConfig(steps=1500, checkpoint_every=100, preview_every=500, init="weights/film", seed=6),
        model=replace(staged.model, depth=4, text=text),
        blocks=(0, 1, 4, 5),
        text_blocks=(0,),
        no_lead=0.08,
    )


SPEC = film_thin
