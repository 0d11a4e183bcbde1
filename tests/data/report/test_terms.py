"""Tests of terms: what claims compare is found in every form, and its values are read off a table."""

import numpy as np
import pyarrow as pa
import pytest

from rushes.data.report.terms import Term, numbers, terms, words

TABLE = pa.table(
    {
        "a": [1.5, 2.0, None],
        "word": ["x", "y\n", None],
        "motion": pa.array([{"median": 1.0, "still": True}, None, {"median": 3.0, "still": False}]),
    }
)


@pytest.mark.parametrize(
    ("claim", "expected"),
    [
        ("a >= 256", [Term(value="a", bounds=(256.0,))]),
        ("-1.5 < a", [Term(value="a", bounds=(-1.5,))]),
        ("a between 1/4 and 3", [Term(value="a", bounds=(0.25, 3.0))]),
        (
            "a > 1 and not (b.c <= 2e-3 or d = 4)",
            [Term(value=n, bounds=(v,)) for n, v in zip(("a", "b.c", "d"), (1, 0.002, 4), strict=True)],
        ),
        ("least(w, h) >= 200", [Term(value="least(w, h)", bounds=(200.0,))]),
        ("(a + b) * (c + d) > 5", [Term(value="(a + b) * (c + d)", bounds=(5.0,))]),
        ("sources.codec = 'h264'", [Term(value="sources.codec")]),
        ("height_px > width_px", [Term(value="height_px")]),
        ("word in ('x', 'y')", [Term(value="word")]),
        ("is_ok and other.flag", [Term(value="is_ok"), Term(value="other.flag")]),
        ("a > 1 and a > 1", [Term(value="a", bounds=(1.0,))]),
        ("1 > 0", []),
        ("a >", []),
        ("a > 1; drop table clips", []),
    ],
)
def test_the_terms_of_a_claim(claim: str, expected: list[Term]) -> None:
    assert terms(claim) == expected


def test_a_term_has_the_name_that_people_write() -> None:
    (term,) = terms('"text"."share" <= 0.07')
    assert term.name == "text.share"


def test_numbers_are_in_order_and_nan_where_there_is_none() -> None:
    found = numbers(TABLE, ["a", "motion.median * 2", "motion.still"])
    np.testing.assert_array_equal(found["a"], [1.5, 2.0, np.nan])
    np.testing.assert_array_equal(found["motion.median * 2"], [2.0, np.nan, 6.0])
    np.testing.assert_array_equal(found["motion.still"], [1.0, np.nan, 0.0])


def test_what_is_no_number_or_no_column_is_left_out() -> None:
    assert numbers(TABLE, ["word", "ghost", "motion.ghost", "read_text('/etc/passwd')"]) == {}


def test_words_are_those_of_the_rows_in_their_order() -> None:
    found = words(TABLE, ["a", "word", "motion.still", "ghost"], [2, 0])
    assert found == {"a": ["not measured", "1.5"], "word": ["not measured", "x"], "motion.still": ["no", "yes"]}
