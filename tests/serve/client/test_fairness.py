"""Tests of turns: waiting is ageing, a flood lines up behind others' first films, and priorities stay legal."""

from hypothesis import given
from hypothesis import strategies as st

from rushes.serve.client.fairness import EPOCH_S, LARGEST, due

NOON = EPOCH_S + 40_000_000.0
FREE_S, OWN_S = 600.0, 30.0


def test_a_pro_goes_before_free_films_of_the_last_ten_minutes_and_after_older_ones():
    pro = due(NOON, 0.0, 0, OWN_S)
    assert due(NOON - 599, FREE_S, 0, OWN_S) > pro > due(NOON - 601, FREE_S, 0, OWN_S)


def test_the_hundredth_film_of_one_goes_after_the_first_of_another_sent_later():
    flood = [due(NOON, FREE_S, waiting, OWN_S) for waiting in range(100)]
    assert flood == sorted(flood)
    assert flood[3] < due(NOON + 100, FREE_S, 0, OWN_S) < flood[4]


@given(st.floats(0, 1e11, allow_subnormal=False), st.floats(0, 1e6, allow_subnormal=False), st.integers(0, 10**6))
def test_a_priority_is_always_one_that_the_queue_takes(sent_at, delay_s, waiting):
    assert 1 <= due(sent_at, delay_s, waiting, OWN_S) <= LARGEST
