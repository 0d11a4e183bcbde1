"""Every word of the vocabulary has phrases, and every phrase can be filled in."""

import pytest

from rushes.world import phrases
from rushes.world import vocabulary as v


@pytest.mark.parametrize(
    ("table", "keys"),
    [
        (phrases.SIZE_WORDS, v.SIZES),
        (phrases.SPEED_WORDS, v.SPEEDS),
        (phrases.TRAVEL_OF, v.KINDS),
        (phrases.MOTION_VERBS, set(v.MOTIONS) - {"drift"}),
        (phrases.RELATION_VERBS, set(v.RELATIONS) - {"none"}),
        (phrases.PLACE_WORDS, v.PLACES),
        (phrases.TIME_WORDS, v.TIMES),
        (phrases.WEATHER_WORDS, v.WEATHERS),
        (phrases.CAMERA_WORDS, v.CAMERAS),
        (phrases.STYLE_WORDS, v.STYLES),
    ],
)
def test_tables_have_exactly_the_words_of_the_vocabulary(table, keys):
    assert set(table) == set(keys)
    assert all(table.values())


def test_phrases_of_one_list_are_never_shared():
    """A phrase that stood for two places, times, weathers or cameras would teach the model to guess."""
    for table in (phrases.TIME_WORDS, phrases.WEATHER_WORDS, phrases.CAMERA_WORDS, phrases.STYLE_WORDS):
        texts = [text for entry in table.values() for text in entry]
        assert len(texts) == len(set(texts))
    texts = [text for place in v.PLACES for text in (*phrases.PLACE_WORDS[place], *phrases.OVER_WORDS.get(place, ()))]
    assert len(texts) == len(set(texts))


def test_patterns_hold_the_subject_once_and_a_verb_once():
    for pattern in phrases.PATTERNS:
        assert pattern.count("{s}") == 1
        assert pattern.count("{m}") + pattern.count("{ing}") == 1
        assert pattern.count("{p}") == pattern.count("{t}") == 1
