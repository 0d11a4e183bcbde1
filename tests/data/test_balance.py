"""Tests of balance: clusters that are there are found, and crowded ones weigh less."""

import numpy as np

from rushes.data import balance


def embeddings(sizes, seed=0):
    rng = np.random.default_rng(seed)
    centres = np.eye(len(sizes), 8)
    return np.concatenate([centres[i] + 0.05 * rng.normal(size=(n, 8)) for i, n in enumerate(sizes)])


def test_clusters_that_are_there_are_found():
    sizes = (50, 20, 5)
    found = balance.clusters(embeddings(sizes), 3)
    parts = np.split(found, np.cumsum(sizes)[:-1])
    assert [len(set(part.tolist())) for part in parts] == [1, 1, 1] and len(set(found.tolist())) == 3
    assert np.array_equal(found, balance.clusters(embeddings(sizes), 3))


def test_weights_fall_with_the_root_of_the_size_and_have_mean_one():
    weight = balance.weights(np.array([0] * 16 + [1] * 4))
    assert abs(weight.mean() - 1) < 1e-6 and abs(weight[-1] / weight[0] - 2) < 1e-6
    assert len(balance.weights(np.zeros(0, np.int32))) == 0


def test_few_or_equal_clips_are_no_trouble():
    assert balance.clusters(np.zeros((0, 4)), 3).tolist() == []
    assert balance.clusters(np.ones((1, 4)), 3).tolist() == [0]
    assert set(balance.clusters(np.ones((9, 4)), 3).tolist()) == {0}
    assert set(balance.clusters(np.zeros((3, 4)), 2).tolist()) <= {0, 1}
    assert balance.default_clusters(200) == 10 and balance.default_clusters(0) == 1
