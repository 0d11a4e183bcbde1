"""The shipped film model, fifth stage: shown its place as well, it lights it, moves it and lets weather fall on it."""

from dataclasses import replace

from rushes.train.film import FilmConfig
from rushes.train.presets.film_drawn import film_drawn
from rushes.train.trainer import RunConfig


def film_staged() -> FilmConfig:
    """An hour and a half on one core, from the fourth stage's weights, on the same films."""
    drawn = film_drawn()
    return replace(
        drawn,
        run=RunConfig(steps=1500, checkpoint_every=100, preview_every=500, init="weights/film", seed=5),
        model=replace(drawn.model, backdrop=True),
    )


SPEC = film_staged
