"""Tests the functions of chat models: what they may show a film is what their caller has, and nothing else."""

from __future__ import annotations

import json

import showings
import studio_subjects
import studios

from rushes.models.open import _catalogue as catalogue
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


def test_a_film_is_laid_out_like_a_still_or_film_of_the_callers_own(tmp_path) -> None:
    with studios.opened(tmp_path) as house:
        ann, bob = (showings.caller(studios.person(house, name, plan="admin")[0]) for name in ("ann", "bob"))
        drawing, before = showings.film(house, ann.user, "a hill", format="png"), showings.film(house, ann.user)

        def asked(name: str, caller=ann, **said: object) -> tools.Called:
            about = {"video_id": before.id} if name == "remix_video" else {}
            return tools.call(house, caller, name, json.dumps({"prompt": "a kite", **about, **said}))

        for name in ("generate_video", "remix_video"):
            for said, kind in ((None, "edges"), ("edges", "edges"), ("sketch", "sketch"), ("depth", "depth")):
                made = asked(name, like_picture=drawing.id, like_as=said)
                assert made.job is not None, made.answer
                (condition,) = made.job.generation_request().conditions
                assert (condition.kind, condition.uri) == (kind, drawing.files["video"])
            assert asked(name, like_as="depth").job.generation_request().conditions == ()
            wrong = asked(name, like_picture=drawing.id, like_as="sketches").answer
            assert wrong == {"error": "a film can't be laid out by 'sketches'; legal: sketch, edges, depth"}
            for named in ("http://127.0.0.1/hill.png", "data:image/png;base64,AAAA", "video_" + "0" * 32):
                assert "there is no video" in asked(name, like_picture=named).answer["error"]
            assert "there is no video" in asked(name, bob, like_picture=drawing.id).answer["error"]
        both = {"first_picture": drawing.id}, {"strength": 0.5}
        for name, said, against in zip(("generate_video", "remix_video"), both, ("first", "remix"), strict=True):
            wrong = asked(name, like_picture=before.id, **said).answer["error"]
            assert wrong == f"conditions 'edges' and '{against}' contradict each other; name one of them"


def test_the_studios_models_are_offered_by_name_and_others_refused(tmp_path) -> None:
    names = ("wan2.1-1.3b", "wan2.1-i2v-14b-480p", "sdxl")
    with studios.opened(tmp_path) as house:
        caller = showings.caller(studios.person(house, "ann", plan="admin")[0])

        def asked(name: str, **said: object) -> tools.Called:
            return tools.call(house, caller, name, json.dumps(said))

        assert [each["model"] for each in asked("list_models").answer["models"]] == ["rushes"]
        house.offered = {name: catalogue.find(name).checkpoint.native for name in names}
        told = {each["model"]: each for each in asked("list_models").answer["models"]}
        assert list(told) == ["rushes", *names]
        assert (told["wan2.1-1.3b"]["seconds"], told["wan2.1-1.3b"]["sizes"]) == (5.1, ["832x480"])
        assert "multiples of 16 px" in told["wan2.1-1.3b"]["any_size"]
        assert told["wan2.1-i2v-14b-480p"]["needs"] == ["first"] and told["sdxl"]["seconds"] == 0
        (generate,) = [each["function"] for each in tools.schema(house) if each["function"]["name"] == "generate_video"]
        words = generate["parameters"]["properties"]["model"]["description"]
        assert "wan2.1-1.3b: up to 5.1 s, 832x480" in words and "sdxl: a still alone" in words, words

        made = asked("generate_video", prompt="a boat", model="wan2.1-1.3b", seconds=2)
        assert made.job is not None and made.answer["model"] == "wan2.1-1.3b", made.answer
        request = made.job.generation_request()
        assert (request.shape.frames, request.fps, request.num_steps) == (33, 16, 50)
        wrong = asked("generate_video", prompt="a boat", model="wan2.1-13b").answer["error"]
        assert wrong == "there is no model 'wan2.1-13b'; known: wan2.1-1.3b, rushes, wan2.1-i2v-14b-480p, sdxl"
        small = asked("generate_video", prompt="a boat", model="wan2.1-1.3b", size="1280x720").answer["error"]
        assert "the nearest legal value is" in small
