"""What several tests share, made once per session: the toy's autoencoder, banks and run, a dataset of world films."""

from dataclasses import replace
from pathlib import Path

import pytest

from rushes.data.dataset import Dataset
from rushes.data.ledger import row_schema, rows_to_table
from rushes.data.packing.cut import CutConfig
from rushes.data.run import curate
from rushes.data.settings import CurateConfig
from rushes.train.film import FilmConfig, FilmObjective
from rushes.train.presets.toy import toy
from rushes.train.presets.toy_transform import toy_transform
from rushes.train.trainer import Trainer
from rushes.world.films import ReelConfig, write_film
from rushes.world.scene import SceneFilters


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


class Here:
    """A runner that works in this process."""

    def map(self, function, items):
        for item in items:
            yield item, function(item, lambda num_frames: None)


def tell(place: Path, version: str, clip_ids: list[str], texts: list[tuple[str, str]]) -> None:
    """Commit captions of some clips of a dataset as the rows of stage `told`: (short, medium) each."""
    data = Dataset.open(place)
    schema = row_schema({"short": "string", "medium": "string"})
    rows = [
        {"clip_id": clip_id, "stage": "told", "version": version, "outcome": "ok", "short": short, "medium": medium}
        for clip_id, (short, medium) in zip(clip_ids, texts, strict=True)
    ]
    path = f"stages/told@{version}/{data.cutting}/{version}-{len(rows)}.parquet"
    data.ledger.commit([data.ledger.write_table(path, rows_to_table(rows, schema), kind="rows")])


@pytest.fixture(scope="session")
def world_dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a dataset of eight tiny films of the paper world, two of them upright, with captions `told@1`."""
    films, place = tmp_path_factory.mktemp("world_films"), tmp_path_factory.mktemp("world_dataset") / "data"
    wide = ReelConfig(seed=1, width=128, height=72, fps=8, filters=SceneFilters(durations_s=(2.0, 3.0)))
    for reel, num in ((wide, 6), (replace(wide, width=72, height=128), 2)):
        for index in range(num):
            write_film(reel, index, films)
    curate(str(place), [str(films)], CurateConfig(cut=CutConfig(), stages={}), Here())
    clip_ids = Dataset.open(place).clips()["clip_id"].to_pylist()
    tell(place, "1", clip_ids, [(f"a red car {i}", "a red car drives left zigzag") for i in range(len(clip_ids))])
    return place
