"""Exams on tiny weights: every film is judged beside the real one."""

import numpy as np
import pytest

from rushes.evaluate import exams
from rushes.evaluate.films import Effort, Latents
from rushes.evaluate.metrics.prompt_fidelity import truth
from rushes.evaluate.oracle import Reading
from rushes.evaluate.prompts import draw, filters_of
from rushes.generate import Generator
from rushes.models.oracle import Oracle

SEEN: list[tuple[str, int, int]] = []


@pytest.fixture(scope="module")
def examiner(weights_folder, tmp_path_factory):
    return exams.Examiner(
        latents=Latents(Generator.load(weights_folder), tmp_path_factory.mktemp("latents")),
        oracle=Oracle.from_pretrained(weights_folder / "oracle"),
        captioner=exams.captioner_of(weights_folder),
        effort=Effort(num_steps=1, guidance_scale=1.0),
        filters=filters_of(weights_folder / "film"),
        seed=0,
        watch=lambda *where: SEEN.append(where),
    )


def test_physics_is_judged_by_motion(examiner):
    found = examiner.physics(1)
    assert found["rows"][0]["real"]["motion"] == found["rows"][0]["made"]["motion"] == "fall"
    assert found["rows"][0]["is_lawful"] in (None, True, False)
    assert found["scores"][0]["attribute"] == "physics"
    assert ("physics", 1, 1) in SEEN


def test_two_subjects_are_judged_beside_chance(examiner):
    found = examiner.pairs(2)
    names = [row["attribute"] for row in found["scores"]]
    assert names[:4] == ["kinds", "colours", "binding", "relation"]
    assert [row["num"] for row in found["chance"]][:4] == [2] * 4
    assert found["rows"][0]["made"]["count"] is None  # there is no captioner


def test_seconds_of_a_long_film_are_read(examiner):
    found = examiner.lasting(1)
    assert {row["second"] for row in found["scores"]} == set(range(10))
    assert all(row["num"] <= 1 for row in found["scores"])


def test_a_film_of_a_minute_is_read_at_both_ends(examiner, monkeypatch):
    read_at = []
    made = exams.Examiner._made
    monkeypatch.setattr(exams.Examiner, "_made", lambda *args: read_at.append(args[1:]) or made(*args))
    found = examiner.minutes(1)
    request, at = read_at[0]
    assert request.shape.frames == 480 and sorted(set(at.tolist())) == [*range(8), *range(472, 480)]
    whose = {(row["second"], row["attribute"]) for row in found["scores"]}
    assert whose == {(second, name) for second in (0, 59) for name in ("kind", "colour", "place", "time", "together")}
    assert [set(end) >= set(exams.STILL_RIGHT) for end in found["rows"][0]["made"]] == [True, True]
    assert ("a minute", 1, 1) in SEEN


def test_together_counts_what_is_right_at_once():
    scenes = [case.scene for case in draw(2, 0)]
    right = [dict(truth(scene)) for scene in scenes]
    wrong = [right[0], right[1] | {"colour": "no such colour"}]
    shares = {row["attribute"]: row["share"] for row in exams._at_end(59, list(zip(wrong, scenes, strict=True)))}
    assert shares == {"kind": 1, "colour": 0.5, "place": 1, "time": 1, "together": 0.5}
    assert [row["share"] for row in exams._at_end(59, [])] == [None] * 5


def test_an_end_counts_where_the_real_film_shows_the_subject(examiner, monkeypatch):
    case = draw(1, 0, examiner.filters)[0]
    told = Reading(answers=truth(case.scene), sureness={}, features=np.zeros(1))
    astray = Reading(answers=truth(case.scene) | {"kind": "none"}, sureness={}, features=np.zeros(1))
    answers = iter([[told, told], [told, astray]])  # the film that was made, then the real one
    monkeypatch.setattr(exams, "read", lambda *_: next(answers))
    counted = {(row["second"], row["attribute"]): row["num"] for row in examiner.minutes(1)["scores"]}
    assert counted[0, "kind"] == counted[0, "together"] == 1 and counted[59, "kind"] == 0


@pytest.mark.parametrize(
    ("made", "real", "lawful"),
    [(0.05, 0.0, True), (0.12, 0.05, True), (0.2, 0.05, False), (None, 0.0, False), (0.0, None, None), (0.1, 3, None)],
)
def test_the_real_films_own_error_is_allowed_for(made, real, lawful):
    assert exams.is_lawful({"error": made}, {"error": real}) is lawful


def test_a_film_has_a_cost(weights_folder):
    generator = Generator.load(weights_folder)
    spent = exams.cost(generator, draw(1, 0)[0], "flipbook", Effort(num_steps=1, guidance_scale=1.0))
    assert spent["frames"] == 8
    assert spent["cpu_s"] > 0 and spent["seconds"] > 0
    assert spent["peak_bytes"] > np.prod((8, 384, 672, 3))
