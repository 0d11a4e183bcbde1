"""Tests of endless films: shots that tile, joins that are what they say, names and bytes that repeat."""

import itertools
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from rushes.errors import InputError
from rushes.media.decode import frames as decoded
from rushes.media.metadata import read_request
from rushes.media.probe import probe
from rushes.world.captions import prompt
from rushes.world.films import ReelConfig, frames, name_of, plan, write_film
from rushes.world.scene import SceneFilters, from_dict, split_of

REEL = ReelConfig(
    seed=3, width=64, height=36, fps=8, most_shots=4, dissolves=0.5, dissolve_frames=(2, 4),
    filters=SceneFilters(durations_s=(1.0, 2.0)),
)  # fmt: skip


def test_shots_follow_each_other_and_places_change() -> None:
    joins = []
    for index in range(40):
        shots = plan(REEL, index)
        assert shots == plan(REEL, index)
        assert 1 <= len(shots) <= 4 and shots[0].first == 0 and shots[0].join == "start"
        for before, shot in itertools.pairwise(shots):
            assert shot.first == before.end - shot.join_frames
            assert (shot.join == "dissolve") == (shot.join_frames > 0)
            assert before.scene.place != shot.scene.place
            assert shot.first >= before.first + before.join_frames  # two dissolves never overlap
            joins.append(shot.join)
        assert all(split_of(shot.scene) == "train" for shot in shots)
    assert 0.3 < joins.count("dissolve") / len(joins) < 0.7
    assert plan(REEL, 0) != plan(replace(REEL, seed=4), 0)


def test_a_film_has_the_frames_of_its_shots_and_dissolves_between_them() -> None:
    index = next(i for i in range(40) if any(shot.join == "dissolve" for shot in plan(REEL, i)[1:]))
    shots = plan(REEL, index)
    film = list(frames(REEL, shots))
    assert len(film) == shots[-1].end
    which = next(i for i, shot in enumerate(shots) if shot.join == "dissolve")
    shot = shots[which]
    alone = list(frames(REEL, [replace(shot, first=0, end=shot.end - shot.first, join="start", join_frames=0)]))
    following = shots[which + 1].first if which + 1 < len(shots) else shot.end
    begins = shot.first + shot.join_frames
    assert np.array_equal(np.stack(film[begins:following]), np.stack(alone[shot.join_frames : following - shot.first]))
    distances = [
        np.abs(film[shot.first + i].astype(float) - alone[i].astype(float)).mean() for i in range(shot.join_frames)
    ]
    assert distances == sorted(distances, reverse=True) and distances[-1] > 0


def test_a_film_is_plain_and_its_truth_lies_apart(tmp_path: Path) -> None:
    for folder in ("films", "truth"):
        (tmp_path / folder).mkdir()
    seen: list[int] = []
    assert write_film(REEL, 5, tmp_path / "films", tmp_path / "truth", seen.append)
    path = tmp_path / "films" / f"{name_of(REEL, 5)}.mp4"
    found = probe(path)
    told = json.loads((tmp_path / "truth" / f"{name_of(REEL, 5)}.json").read_text())
    assert [file.name for file in (tmp_path / "films").iterdir()] == [path.name] == [told["film"]]
    assert found.num_frames == told["num_frames"] == sum(1 for _ in decoded(path)) == sum(seen)
    assert (found.width, found.height, found.fps) == (64, 36, 8)
    with pytest.raises(InputError):
        read_request(path)
    for shot in told["shots"]:
        assert shot["prompt"] == prompt(from_dict(shot["scene"]))
        assert shot["caption"] and shot["start_s"] * 8 == shot["first_frame"]


def test_a_film_that_is_there_stays_and_a_lost_truth_comes_back(tmp_path: Path) -> None:
    assert write_film(REEL, 0, tmp_path)
    path = tmp_path / f"{name_of(REEL, 0)}.mp4"
    content, when = path.read_bytes(), path.stat().st_mtime_ns
    (tmp_path / "truth").mkdir()
    assert not write_film(REEL, 0, tmp_path, tmp_path / "truth")
    assert path.stat().st_mtime_ns == when and len(list((tmp_path / "truth").iterdir())) == 1
    path.unlink()
    assert write_film(REEL, 0, tmp_path)
    assert path.read_bytes() == content


def test_sets_have_names_of_their_own() -> None:
    keys = {REEL.key, replace(REEL, seed=9).key, replace(REEL, filters=SceneFilters(kinds=("cat",))).key}
    assert len(keys) == 3 and REEL.key == replace(REEL).key


@pytest.mark.parametrize(
    ("change", "legal"),
    [
        ({"seed": -1}, "0"),
        ({"most_shots": 0}, "1"),
        ({"dissolves": 1.5}, "1.0"),
        ({"dissolve_frames": (9, 4)}, "4"),
        ({"fps": 0}, "1"),
    ],
)
def test_illegal_sets_name_the_nearest_legal(change: dict[str, object], legal: str) -> None:
    with pytest.raises(InputError, match=f"nearest legal value is {legal}$"):
        replace(REEL, **change)  # type: ignore[arg-type]


def test_an_odd_size_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="width 65 is odd"):
        write_film(replace(REEL, width=65), 0, tmp_path, tmp_path)
    assert not list(tmp_path.iterdir())
