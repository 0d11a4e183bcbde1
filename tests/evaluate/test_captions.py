"""Tests of caption scores: what is right, what is left out, what is invented."""

import copy
from dataclasses import replace

import numpy as np
import pytest
import torch

from rushes.data.captioning.sentences import LABELS, every_word, fields_of, write
from rushes.evaluate.captions import CaptionScores, Tally, _count, as_rows, score
from rushes.models._fields import FIELDS
from rushes.models._writer import LENGTHS
from rushes.models.captioner import Captioner, Description, tiny
from rushes.world.scene import Scene, Subject

CAR = Subject(kind="car", colour="red", motion="drift", direction="left")
DOG = Subject(kind="dog", colour="blue", size="large", motion="drift", direction="right")
SCENE = Scene(place="desert", weather="rain", camera="shake", subjects=(CAR, DOG), relation="passes")
TRUTH = fields_of(SCENE, np.full((2, 2, 4), (0.0, 0.0, 0.17, 1.0)), ("noisy",))


def said(fields: dict) -> Description:
    rng = np.random.default_rng(0)
    sentences = {length: write(fields, length, rng) for length in LENGTHS}
    return Description(fields=fields, confidence={}, sentences=sentences, embedding=np.zeros(1))


def counted(fields: dict) -> CaptionScores:
    scores = CaptionScores(num=1)
    _count(scores, "seen", TRUTH, said(fields), said(fields))
    return scores


def test_the_truth_scores_in_full() -> None:
    scores = counted(TRUTH)
    assert all(tally.right == tally.asked == tally.said for tally in scores.fields["seen"].values())
    assert all(tally.wrong == 0 < tally.said for tally in scores.facts.values())
    assert set(scores.facts) == {"fields", *LENGTHS} and set(scores.fields["seen"]) == {*FIELDS, "quality"}


def test_of_two_that_pass_either_may_come_first() -> None:
    turned = {**TRUTH, "subjects": TRUTH["subjects"][::-1]}
    assert counted(turned).facts["dense"].wrong == 0 and counted(turned).fields["seen"]["kind"].right == 2


def test_wrong_facts_are_invented_and_missing_ones_are_not() -> None:
    wrong, silent = copy.deepcopy(TRUTH), copy.deepcopy(TRUTH)
    wrong["place"] = "farm"
    silent["place"] = None
    found = [counted(fields).facts["medium"] for fields in (wrong, silent)]
    assert [tally.wrong for tally in found] == [1, 0] and found[1].said == found[0].said - 1
    assert counted(silent).fields["seen"]["place"].coverage == 0


def test_a_subject_that_is_not_there_is_invented() -> None:
    alone = fields_of(replace(SCENE, subjects=(CAR,), relation="none"), np.zeros((1, 2, 4)))
    scores = CaptionScores(num=1)
    _count(scores, "seen", alone, said(TRUTH), said(TRUTH))
    assert scores.facts["medium"].wrong >= 4 and scores.fields["seen"]["count"].right == 0


def test_colours_of_ink_and_the_time_in_space_are_not_asked() -> None:
    robot = Subject(kind="robot", colour="red")
    ink = fields_of(Scene(place="space", time="night", style="ink", subjects=(robot,)), np.zeros((1, 2, 4)))
    scores = CaptionScores(num=1)
    _count(scores, "seen", ink, said(ink), said(ink))
    assert not {"colour", "time", "weather"} & set(scores.fields["seen"])


def test_rows_name_their_bars() -> None:
    scores = CaptionScores(num=1, fields={"seen": {"kind": Tally(asked=20, right=19, said=20)}})
    scores.facts["medium"] = Tally(said=100, wrong=4)
    rows = as_rows(scores)
    assert [(row["what"], row["is_met"]) for row in rows] == [("seen: kind", True), ("invented in medium", False)]


def test_an_untaught_captioner_scores_at_chance() -> None:
    torch.manual_seed(0)
    labels = tuple("|".join(LABELS[a]) for a in FIELDS)
    model = Captioner(replace(tiny(), labels=labels, words=every_word())).eval()
    scores = score(model, 3, watch=None)
    assert scores.clips_per_s > 0 and sum(f["place"].asked for f in scores.fields.values()) == 3
    again = score(model, 3)
    assert scores.fields == again.fields and scores.facts == again.facts
    assert pytest.approx(3 * 3) == sum(f["quality"].asked for f in scores.fields.values())
