"""Tests the functions of chat models: what they may show a film is what their caller has, and nothing else."""

from __future__ import annotations

import json

import showings
import studio_subjects
import studios

from rushes.serve.client.jobs import Job
from rushes.studio.library import subjects
from rushes.studio.social import characters
from rushes.studio.wire import tools


def test_a_film_shows_a_still_or_a_character_of_the_callers_own(tmp_path) -> None:
    weights = studio_subjects.weights(tmp_path / "weights")
    with studios.opened(tmp_path, weights=str(weights)) as house:
        ann, bob = (studios.person(house, name)[0] for name in ("ann", "bob"))
        mine, theirs = showings.caller(ann), showings.caller(bob)
        with house.database.write() as session:
            still = showings.written(session, ann, "a fox", format="png", files={"video": "films/fox.png"})
            house.media.put("films/fox.png", studio_subjects.CLEAR_FOX)
            character = characters.create(session, mine, name="Reynard", look="a red fox")
            characters.give_stills(house, session, character, [subjects.drawn(studio_subjects.FOX)])

        def asked(caller, **said: str) -> tools.Called:
            return tools.call(house, caller, "generate_video", json.dumps({"prompt": "it drifts left", **said}))

        for said, prompt in (
            ({"subject_picture": still.id}, "it drifts left"),
            ({"character": character.id}, "a red fox, it drifts left"),
        ):
            made = asked(mine, **said)
            assert made.job is not None and made.answer["prompt"] == prompt, made.answer
            with house.database.read() as session:
                (subject,) = session.get_one(Job, made.job.id).request["conditions"]
            assert subject["kind"] == "subject" and made.answer["note"] == ""
            assert "error" in asked(theirs, **said).answer
