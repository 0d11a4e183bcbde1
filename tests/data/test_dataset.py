"""Tests of the open dataset: what is asked for in vain is named, with the nearest that is there."""

import json

import pytest
import tiny

from rushes.data.dataset import Dataset, clip_of
from rushes.data.run import Again, curate
from rushes.errors import InputError, RushesError


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    films = tiny.films(tmp_path_factory.mktemp("films"), 2)
    place = tmp_path_factory.mktemp("dataset") / "data"
    curate(str(place), [str(films)], tiny.config("mean"), tiny.Serial(), again=Again(stages=tiny.STAGES))
    return place


def test_clips_are_found_by_their_id(place):
    dataset = Dataset.open(place)
    row = dataset.clips().to_pylist()[1]
    clip = dataset.clip(row["clip_id"])
    assert clip == clip_of(row) and clip.shape.frames == row["frames"] and float(clip.fps) == row["fps"]
    view = dataset.view(clip.id)
    assert len(view.analysis.times_s) == row["frames"] and view.clip == clip
    with pytest.raises(InputError, match=f"there is no clip .*; the nearest is '{clip.id}'"):
        dataset.read_clip(clip.id[:-1] + "?")
    with pytest.raises(InputError, match="has no analysis"):
        dataset.analysis("0" * 64)


def test_a_place_without_a_dataset_is_named(tmp_path, place):
    with pytest.raises(InputError, match="no such folder"):
        Dataset.open(tmp_path / "nowhere")
    with pytest.raises(InputError, match=r"is no dataset: it has no dataset\.json"):
        Dataset.open(tmp_path)
    (tmp_path / "dataset.json").write_text(json.dumps({"format": 99, "config": {}}))
    with pytest.raises(InputError, match="has format 99; this version reads 1"):
        Dataset.open(tmp_path)
    (tmp_path / "dataset.json").write_text("{")
    with pytest.raises(RushesError, match="is damaged"):
        Dataset.open(tmp_path)


def test_a_shard_cut_short_is_named(place, tmp_path):
    dataset = Dataset.open(place)
    row = dataset.clips().to_pylist()[0]
    shard = place / row["shard"]
    content = shard.read_bytes()
    try:
        shard.write_bytes(content[: row["offset"] + 10])
        with pytest.raises(RushesError, match=r"\.tar is cut short"):
            dataset.read_clip(row["clip_id"])
    finally:
        shard.write_bytes(content)
