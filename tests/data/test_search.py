"""Tests of search: the exact nearest embeddings, whatever the blocks; words by their weight; clear errors."""

import by_hand
import numpy as np
import pyarrow as pa
import pytest

from rushes.data import scan, search
from rushes.data.dataset import Dataset
from rushes.errors import InputError


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return by_hand.write(tmp_path_factory.mktemp("hand"), num_pictured=0)


@pytest.fixture(scope="module")
def rows(data: Dataset) -> search.Rows:
    (found,) = search.captioned(data)
    return found


def cosines(data: Dataset, query: np.ndarray) -> dict[str, float]:
    table = data.rows("caption")
    vectors = np.array(table["embedding"].to_pylist(), np.float32)
    scores = vectors @ query / np.linalg.norm(vectors, axis=1) / np.linalg.norm(query)
    return dict(zip(table["clip_id"].to_pylist(), scores.tolist(), strict=True))


def test_captions_and_embeddings_are_found(rows: search.Rows) -> None:
    assert (rows.stage, rows.captions, rows.has_embedding) == ("caption", ("short", "medium"), True)


@pytest.mark.parametrize("block", [1, 3, 20, 1000])
@pytest.mark.parametrize("num", [1, 4, 50])
def test_the_nearest_are_exact(
    data: Dataset, rows: search.Rows, monkeypatch: pytest.MonkeyPatch, block: int, num: int
) -> None:
    monkeypatch.setattr(scan, "BLOCK_ROWS", block)
    query = np.array([0.3, 2.0, -0.1], np.float32)
    truth = cosines(data, query)
    hits = search.nearest(data, query, rows, num=num)
    # Embeddings repeat nowhere here but at equal angles, so that ids decide among near ties.
    assert [hit.score for hit in hits] == pytest.approx(sorted(truth.values(), reverse=True)[:num], abs=1e-5)
    assert all(hit.score == pytest.approx(truth[hit.clip_id], abs=1e-5) for hit in hits)
    assert len({hit.clip_id for hit in hits}) == min(num, 20)
    assert hits[0].caption in by_hand.WORDS


def test_equal_scores_are_in_the_order_of_ids(data: Dataset, rows: search.Rows) -> None:
    hits = search.nearest(data, np.array([0.0, 0.0, 1.0], np.float32), rows, num=5)
    assert [hit.clip_id for hit in hits] == sorted(data.clips()["clip_id"].to_pylist())[:5]


def test_only_some_clips_are_looked_among(data: Dataset, rows: search.Rows) -> None:
    kept = search.kept_ids(data)
    query = np.array([1.0, 0.0, 0.0], np.float32)
    assert {hit.clip_id for hit in search.nearest(data, query, rows, num=50, among=kept)} == set(kept.to_pylist())
    assert search.nearest(data, query, rows, among=pa.array([], pa.string())) == []


def test_words_are_found_in_any_caption_whatever_their_form(data: Dataset, rows: search.Rows) -> None:
    hits = search.matching(data, "The BOAT", rows, num=50)
    assert {hit.caption for hit in hits} == {by_hand.WORDS[0], by_hand.WORDS[3]}
    assert {hit.score for hit in hits} == {1.0}
    assert [hit.clip_id for hit in hits] == sorted(hit.clip_id for hit in hits)


def test_rare_words_weigh_more(data: Dataset, rows: search.Rows) -> None:
    found = {hit.caption: hit.score for hit in search.matching(data, "boats at sunset", rows, num=50)}
    assert found[by_hand.WORDS[0]] == pytest.approx(1.0)
    assert 0 < found[by_hand.WORDS[3]] < 0.5
    assert search.matching(data, "submarine", rows) == []


def test_stop_words_count_only_alone(data: Dataset, rows: search.Rows) -> None:
    assert {hit.caption for hit in search.matching(data, "the", rows, num=50)} == {by_hand.WORDS[2]}


@pytest.mark.parametrize(
    ("query", "said"), [(np.zeros(3), "zero"), (np.ones(4), "has 4 numbers, those of caption have 3")]
)
def test_a_query_that_fits_nothing_is_refused(data: Dataset, rows: search.Rows, query: np.ndarray, said: str) -> None:
    with pytest.raises(InputError, match=said):
        search.nearest(data, query.astype(np.float32), rows)


def test_a_text_without_words_and_a_number_below_one_are_refused(data: Dataset, rows: search.Rows) -> None:
    with pytest.raises(InputError, match="no word"):
        search.matching(data, "?!", rows)
    with pytest.raises(InputError, match="nearest legal value is 1"):
        search.matching(data, "boat", rows, num=0)
