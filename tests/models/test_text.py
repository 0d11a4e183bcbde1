"""Tests of the vocabulary and the text encoder."""

import pytest
import torch

from rushes.models.text import NULL, UNKNOWN, TextEncoder, Vocabulary, tiny

WORDS = ("cat", "drifts", "left", "red", "sailboat")


@pytest.fixture
def vocabulary() -> Vocabulary:
    return Vocabulary(WORDS, 6)


def test_words_become_ids_and_unused_places_hold_the_null_word(vocabulary: Vocabulary) -> None:
    assert vocabulary.encode("Red cat, left!") == [5, 2, 4, NULL, NULL, NULL]
    assert vocabulary.encode("") == [NULL] * 6
    assert vocabulary.encode("\n -- ?") == [NULL] * 6


def test_unknown_words_keep_their_place_and_are_named_once(vocabulary: Vocabulary) -> None:
    text = "a red zebra drifts, a zebra!"
    assert vocabulary.encode(text) == [UNKNOWN, 5, UNKNOWN, 3, UNKNOWN, UNKNOWN]
    assert vocabulary.unknown(text) == ["a", "zebra"]
    assert vocabulary.unknown("red cat") == []


def test_a_hyphen_joins_only_what_was_taught_joined() -> None:
    vocabulary = Vocabulary(("medium-sized", "red"), 4)
    assert vocabulary.encode("medium-sized red-hot") == [2, 3, UNKNOWN, NULL]
    assert vocabulary.unknown("a medium-sized, red-hot") == ["a", "hot"]


def test_the_nearest_word_is_near(vocabulary: Vocabulary) -> None:
    assert vocabulary.nearest("sailboats") == "sailboat"
    assert vocabulary.nearest("drift") == "drifts"
    assert vocabulary.nearest("quantum") is None


def test_words_past_the_end_are_dropped_and_named(vocabulary: Vocabulary) -> None:
    text = "red red red red red red cat left"
    assert len(vocabulary.encode(text)) == 6 and 2 not in vocabulary.encode(text)
    assert vocabulary.overflow(text) == ["cat", "left"]
    assert vocabulary.overflow("red cat") == []


def encoder() -> TextEncoder:
    torch.manual_seed(0)
    model = TextEncoder(tiny())
    for parameter in model.parameters():  # outputs start at zero, which would hide what blocks do
        torch.nn.init.normal_(parameter, std=0.3)
    return model


def test_tokens_depend_on_the_order_of_the_words() -> None:
    model = encoder()
    first, second = model(torch.tensor([[2, 3, 4, 0], [3, 2, 4, 0]]))
    assert first.shape == (4, 16)
    assert not torch.allclose(first[2], second[2], atol=1e-3)


def test_prompts_of_a_batch_do_not_see_each_other() -> None:
    model, ids = encoder(), torch.tensor([[2, 3, 4, 0], [4, 4, 1, 0]])
    assert torch.allclose(model(ids)[:1], model(ids[:1]), atol=1e-5)


def test_bfloat16_follows_float32() -> None:
    ids, model = torch.tensor([[2, 3, 4, 0]]), encoder()
    exact = model(ids)
    error = (model.to(torch.bfloat16)(ids).float() - exact).norm() / exact.norm()
    assert 0 < error < 0.03
