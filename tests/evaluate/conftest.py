"""Tiny random weights, so that a whole evaluation takes seconds."""

from dataclasses import replace

import pytest
import torch

from rushes import config
from rushes.models import autoencoder, oracle, transformer
from rushes.nn import weights
from rushes.world import vocabulary as v
from rushes.world.scene import SceneFilters

WORDS = {
    "kind": v.KINDS,
    "colour": tuple(v.COLOURS),
    "size": tuple(v.SIZES),
    "place": v.PLACES,
    "time": v.TIMES,
    "weather": v.WEATHERS,
    "motion": v.MOTIONS,
    "direction": v.DIRECTIONS,
    "camera": v.CAMERAS,
}
TAUGHT = SceneFilters(places=("sea", "hills"), num_subjects_weights=(0.5, 0.5))


@pytest.fixture(scope="session")
def weights_folder(tmp_path_factory):
    """A folder with autoencoder, film and oracle weights of no skill; the film's facts say what it was taught."""
    folder = tmp_path_factory.mktemp("weights")
    torch.manual_seed(0)
    painter = autoencoder.Autoencoder(autoencoder.tiny())
    torch.nn.init.normal_(painter.transform.basis, std=0.1)
    weights.save(painter, folder / "autoencoder", family="autoencoder", config=painter.config)
    film_config = replace(transformer.tiny(), channels=painter.config.channels)
    film = transformer.Transformer(film_config)
    torch.nn.init.normal_(film.out.weight, std=0.1)
    facts = {"preset": {"filters": config.to_dict(TAUGHT)}}
    weights.save(film, folder / "film", family="transformer", config=film_config, facts=facts)
    labels = tuple("|".join(WORDS[attribute]) for attribute in oracle.ATTRIBUTES)
    oracle_config = replace(oracle.tiny(), labels=labels)
    weights.save(oracle.Oracle(oracle_config), folder / "oracle", family="oracle", config=oracle_config)
    return folder
