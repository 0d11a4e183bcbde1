"""The closed lists are complete, consistent and large enough for every place."""

import itertools

import pytest

from rushes.world import vocabulary as v


def test_counts_are_the_promised_ones():
    assert (len(v.KINDS), len(v.COLOURS), len(v.PLACES), len(v.MOTIONS)) == (45, 12, 12, 16)
    assert len(set(v.KINDS)) == len(v.KINDS)


def test_every_kind_has_a_place_and_every_place_has_kinds():
    assert all(v.places_of(kind) for kind in v.KINDS)
    assert all(len(v.kinds_at(place)) >= 6 for place in v.PLACES)


def test_realms_decide_where_kinds_go():
    assert "whale" not in v.kinds_at("sea")
    assert "sailboat" in v.kinds_at("beach")
    assert set(v.kinds_at("underwater")) == set(v.REALMS["deep"])
    assert v.rides("farm", "tractor") == "ground"
    assert v.rides("sea", "duck") == "water"
    assert v.rides("space", "robot") == v.rides("sea", "bird") == "float"


def test_unknown_place_is_an_error():
    with pytest.raises(KeyError):
        v.kinds_at("moon")


def test_colours_are_far_apart():
    near = {pair: sum(abs(a - b) for a, b in zip(v.COLOURS[pair[0]], v.COLOURS[pair[1]], strict=True))
            for pair in itertools.combinations(v.COLOURS, 2)}  # fmt: skip
    assert min(near.values()) >= 60, min(near, key=near.get)
