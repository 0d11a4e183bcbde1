"""What several tests share: the toy's autoencoder, its banks, and a short toy run, made once per session."""

from dataclasses import replace
from pathlib import Path

import pytest

from rushes.train.film import FilmConfig, FilmObjective
from rushes.train.presets.toy import toy
from rushes.train.presets.toy_transform import toy_transform
from rushes.train.trainer import Trainer


def silent(*said: object) -> None:
    """A `say` or `watch` that nobody hears."""


@pytest.fixture(scope="session")
def toy_autoencoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the weights folder of the toy autoencoder."""
    shipped = Trainer(toy_transform(), tmp_path_factory.mktemp("toy_transform"), say=silent).run(silent)
    assert shipped is not None
    return shipped


@pytest.fixture(scope="session")
def toy_config(toy_autoencoder: Path, tmp_path_factory: pytest.TempPathFactory) -> FilmConfig:
    """Return the toy film preset with its autoencoder and its banks in place."""
    folder = tmp_path_factory.mktemp("banks")
    config = replace(toy(), autoencoder=str(toy_autoencoder), banks=str(folder))
    FilmObjective(config).prepare(folder, silent)
    return config


@pytest.fixture(scope="session")
def toy_run(toy_config: FilmConfig, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a whole toy run."""
    folder = tmp_path_factory.mktemp("run")
    Trainer(toy_config, folder, say=silent).run(silent)
    return folder
