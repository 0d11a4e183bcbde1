"""Synonyms lead from untaught words to taught ones."""

from rushes.world.captions import words
from rushes.world.synonyms import SYNONYMS


def test_synonyms_are_many_untaught_and_lead_to_taught_words():
    assert len(SYNONYMS) >= 300
    assert set(SYNONYMS.values()) <= words()
    assert not SYNONYMS.keys() & words()
    assert (SYNONYMS["automobile"], SYNONYMS["crimson"]) == ("car", "red")
