"""Tests of the film model: what may see what, where things are, and what it gives before training."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from rushes import layouts
from rushes.errors import InputError, WeightsError
from rushes.models.transformer import Block, Crop, Lead, Prompt, Transformer, TransformerConfig, tiny
from rushes.nn import weights
from rushes.nn.rope import rotation
from rushes.train import ceiling


def model(*, is_random: bool = True) -> Transformer:
    """Return a tiny model; a random one has no zero-initialised outputs, which would hide what blocks do."""
    torch.manual_seed(0)
    film = Transformer(tiny()).eval().requires_grad_(False)
    if is_random:
        for parameter in film.parameters():
            torch.nn.init.normal_(parameter, std=0.15)
    return film


def films(batch: int = 2, seconds: int = 2, rows: int = 3, columns: int = 4) -> Tensor:
    return torch.randn(batch, 4, 2 * seconds, rows, columns, generator=torch.Generator().manual_seed(1))


def ids(batch: int = 2) -> Tensor:
    return torch.tensor([[2, 3, 4, 0], [4, 1, 0, 0], [3, 3, 2, 2]])[:batch]


def seconds(batch: int = 2, start: float = 0.0, duration: float = 2.0) -> tuple[Tensor, Tensor]:
    return torch.full((batch,), start), torch.full((batch,), duration)


def clean(
    film: Transformer, latent: Tensor, t: Tensor, prompt: Prompt, span: tuple[Tensor, Tensor], lead: Lead | None = None
) -> Tensor:
    _, _, frames, h, w = latent.shape
    ready = film.ready((frames // 2, h, w), prompt, t[None], span)
    return film.clean(latent, ready if lead is None else film.led(ready, lead))


def velocity(film: Transformer, latent: Tensor, prompts: Tensor | None = None, t: float = 0.5) -> Tensor:
    b = len(latent)
    prompt = film.read(ids(b) if prompts is None else prompts)
    return film(latent, torch.full((b,), t), prompt, seconds(b))


def test_before_training_it_predicts_a_grey_film() -> None:
    film, latent = model(is_random=False), films()
    assert torch.equal(clean(film, latent, torch.ones(2), film.read(ids()), seconds()), torch.zeros_like(latent))
    assert torch.allclose(velocity(film, latent, t=0.5), latent / 0.5)


def test_at_small_times_the_velocity_stays_finite() -> None:
    film, latent = model(is_random=False), films()
    assert torch.allclose(velocity(film, latent, t=0.0), latent / film.smallest_t)


def test_every_parameter_of_a_random_model_counts() -> None:
    film = model().requires_grad_(True)
    velocity(film, films()).square().mean().backward()
    silent = [name for name, p in film.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]
    assert silent == ["blocks.0.value_mix"]  # the first block has no earlier values to mix in


def test_films_of_a_batch_do_not_see_each_other() -> None:
    film, latent = model(), films(3)
    together = velocity(film, latent)
    for index in range(3):
        alone = velocity(film, latent[index : index + 1], ids(3)[index : index + 1])
        assert torch.allclose(together[index : index + 1], alone, atol=1e-4)


def test_a_film_of_one_second_is_frame_attention() -> None:
    """Even blocks see one second: with the odd ones shut, each second of a film is a film of its own."""
    film = model()
    for block in film.blocks[1::2]:
        for layer in (block.out, block.mlp.out):
            torch.nn.init.zeros_(layer.weight)
    latent = films(1, 3)
    whole = clean(film, latent, torch.full((1,), 0.5), film.read(ids(1)), seconds(1))
    for index in range(3):
        part = latent[:, :, 2 * index : 2 * index + 2]
        alone = clean(film, part, torch.full((1,), 0.5), film.read(ids(1)), seconds(1, start=float(index)))
        assert torch.allclose(whole[:, :, 2 * index : 2 * index + 2], alone, atol=1e-4)


def test_odd_blocks_carry_one_second_to_another() -> None:
    film, latent = model(), films(1, 2)
    changed = latent.clone()
    changed[:, :, :2] += 1
    assert (velocity(film, latent) - velocity(film, changed))[:, :, 2:].abs().max() > 1e-3


def test_the_prompt_the_time_and_the_duration_change_the_film() -> None:
    film, latent = model(), films(1)
    prompt, half = film.read(ids(1)), torch.full((1,), 0.5)
    usual = clean(film, latent, half, prompt, seconds(1))
    others = (
        clean(film, latent, half, film.read(torch.tensor([[4, 3, 2, 0]])), seconds(1)),
        clean(film, latent, half + 0.1, prompt, seconds(1)),
        clean(film, latent, half, prompt, seconds(1, duration=10.0)),
        clean(film, latent, half, prompt, seconds(1, start=3.0)),
    )
    assert all((other - usual).abs().max() > 1e-3 for other in others)


def test_text_is_read_as_extra_keys_of_a_dense_attention() -> None:
    torch.manual_seed(0)
    config = tiny()
    block = Block(config).eval().requires_grad_(False)
    for parameter in block.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    x, tokens, shared = torch.randn(1, 5, 32), torch.randn(1, 4, 16), torch.randn(1, 6, 32)
    turn = rotation(torch.randn(5, 3), (4, 6, 6))
    text = block.text(tokens)
    found, values = block(x, shared, (turn[0][:, None, None], turn[1][:, None, None]), text, None)

    def normal(a: Tensor) -> Tensor:
        return a / (a.pow(2).mean(-1, keepdim=True) + 1e-6).sqrt()

    def turned(a: Tensor) -> Tensor:
        cosine, sine = turn[0][:, 8:], turn[1][:, 8:]
        first, second = a[..., :8], a[..., 8:]
        return torch.cat((first * cosine - second * sine, first * sine + second * cosine), -1)

    shift, scale, gate, shift2, scale2, gate2 = (shared + block.modulation)[0]
    q, k, v = (block.qkv.weight @ (normal(x[0]) * (1 + scale) + shift).T).T.view(5, 3, 2, 16).permute(1, 2, 0, 3)
    text_k, text_v = (tokens[0] @ block.text_kv.weight.T).view(4, 2, 2, 16).permute(1, 2, 0, 3)
    keys = torch.cat((turned(normal(k)), normal(text_k)), 1)
    shares = (turned(normal(q) * block.query_gain) @ keys.mT / 4).softmax(-1)
    mixed = (shares @ torch.cat((v, text_v), 1)).transpose(0, 1).reshape(5, 32) @ block.out.weight.T
    dense = x[0] + gate * mixed
    dense = dense + gate2 * block.mlp(normal(dense) * (1 + scale2) + shift2)
    assert torch.allclose(values[0].transpose(0, 1), v, atol=1e-5)
    assert torch.allclose(found[0], dense, atol=1e-4)


def test_a_subject_has_one_scale_in_every_aspect() -> None:
    """The step between neighbouring cells is the same share of the picture's size, whatever its sides."""
    film = model()
    steps = []
    for rows, columns in ((9, 16), (16, 9), (12, 12)):
        _, (cosine, sine), _ = film.coordinates((1, rows, columns), torch.zeros(1))
        assert torch.equal(cosine[:, :8], cosine[:, 8:]) and torch.equal(sine[:, :8], -sine[:, 8:])
        turn = torch.complex(cosine[:, 8:], sine[:, 8:]).view(rows, columns, -1)
        steps.append((turn[1:] / turn[:-1])[0, 0])
        assert torch.allclose(turn[0, 0] * turn[-1, -1], torch.ones(8, dtype=torch.complex64), atol=1e-4)  # centred
    assert all(torch.allclose(step, steps[0], atol=1e-4) for step in steps)


def test_a_window_knows_where_in_the_film_it_starts() -> None:
    film = model()
    waves, _, _ = film.coordinates((3, 2, 2), torch.tensor([0.0, 1.0]))
    first, second = waves.view(2, 3, 4, -1)
    assert torch.allclose(first[1:], second[:-1], atol=1e-5)
    assert not torch.allclose(first[0], first[1], atol=1e-2)


def test_tokens_apart_attend_to_their_own_group_and_to_the_text() -> None:
    torch.manual_seed(0)
    block = Block(tiny()).eval().requires_grad_(False)
    for parameter in block.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    x, text, shared = torch.randn(2, 6, 32), block.text(torch.randn(2, 4, 16)), torch.randn(2, 6, 32)
    turn = tuple(part[:, None, None] for part in rotation(torch.randn(6, 3), (4, 6, 6)))
    first = torch.randn(2, 6, 2, 16)
    whole, values = block(x, shared, turn, text, first, 3)
    for group in range(3):
        some = slice(2 * group, 2 * group + 2)
        alone = block(x[:, some], shared, (turn[0][some], turn[1][some]), text, first[:, some])
        assert torch.allclose(whole[:, some], alone[0], atol=1e-5)
        assert torch.allclose(values[:, some], alone[1], atol=1e-6)
    assert not torch.allclose(whole, block(x, shared, turn, text, first)[0], atol=1e-3)


def test_a_crop_stands_where_it_lies_in_the_frame() -> None:
    """Waves and turns of a crop's tokens are those that they have in the whole frame, up to one shift of the turns."""
    film = model()
    waves, (cosine, sine), _ = film.coordinates((2, 5, 7), torch.zeros(2))
    crop = Crop(top=torch.tensor([0, 2]), left=torch.tensor([3, 1]), rows=5, columns=7)
    cropped, (some_cosine, some_sine), _ = film.coordinates((2, 3, 4), torch.zeros(2), crop)
    whole = waves.view(2, 2, 5, 7, -1)
    for index, (top, left) in enumerate(((0, 3), (2, 1))):
        there = whole[index, :, top : top + 3, left : left + 4]
        assert torch.allclose(cropped[index].view_as(there), there, atol=1e-5)
    turn = torch.complex(cosine[:, 8:], sine[:, 8:]).view(2, 5, 7, -1)
    some = torch.complex(some_cosine[:, 8:], some_sine[:, 8:]).view(2, 3, 4, -1)
    shift = turn[0, 0, 3] / some[0, 0, 0]  # attention sees differences alone
    assert torch.allclose(some * shift, turn[:, :3, 3:], atol=1e-4)
    everything = Crop(top=torch.zeros(2), left=torch.zeros(2), rows=5, columns=7)
    assert torch.allclose(film.coordinates((2, 5, 7), torch.zeros(2), everything)[0], waves, atol=1e-6)


def test_a_crop_of_the_whole_frame_changes_nothing_and_its_place_counts() -> None:
    film, latent = model(), films()
    prompt, half = film.read(ids()), torch.full((2,), 0.5)
    usual = film(latent, half, prompt, seconds())
    everything = Crop(top=torch.zeros(2), left=torch.zeros(2), rows=3, columns=4)
    assert torch.allclose(film(latent, half, prompt, seconds(), everything), usual, atol=1e-5)
    moved = Crop(top=torch.tensor([0, 1]), left=torch.tensor([0, 2]), rows=5, columns=8)
    at_left = Crop(top=torch.zeros(2), left=torch.zeros(2), rows=5, columns=8)
    change = (film(latent, half, prompt, seconds(), moved) - film(latent, half, prompt, seconds(), at_left)).abs()
    assert change[0].max() < 1e-5 and change[1].max() > 1e-3


def test_bfloat16_follows_float32() -> None:
    film, latent = model(), films()
    exact = velocity(film, latent)
    low = film.to(torch.bfloat16)
    found = low(latent.to(torch.bfloat16), torch.full((2,), 0.5), low.read(ids()), seconds())
    assert found.dtype == torch.bfloat16
    assert 0 < (found.float() - exact).norm() / exact.norm() < 0.05


def test_weights_come_back(tmp_path: Path) -> None:
    film, latent = model(), films()
    film.to(torch.bfloat16).float()  # what shipping keeps
    folder = weights.save(film, tmp_path / "film", family="transformer", config=film.config)
    found = Transformer.from_pretrained(folder)
    assert found.vocabulary.ids == film.vocabulary.ids
    assert torch.equal(velocity(found, latent), velocity(film, latent))
    with pytest.raises(WeightsError):
        Transformer.from_pretrained(tmp_path)


def test_a_head_that_three_axes_cannot_share_is_refused() -> None:
    with pytest.raises(InputError, match=r"width 48 .* nearest legal value is 64"):
        TransformerConfig(width=48, heads=4)


def test_it_can_be_told_where_its_subjects_are_and_a_crop_is_told_the_same() -> None:
    torch.manual_seed(0)
    film = Transformer(replace(tiny(), layout=True)).eval().requires_grad_(False)
    for parameter in film.parameters():
        torch.nn.init.normal_(parameter, std=0.15)
    latent, told = films(1, rows=6, columns=8), torch.zeros(1, 8, layouts.COLUMNS)
    prompt, t = film.read(ids(1)), torch.full((1,), 0.5)
    plain = film(latent, t, prompt, seconds(1))
    assert torch.equal(film(latent, t, prompt, seconds(1), None, Lead(told)), plain)  # rows of zeros say nothing
    told[:, :, layouts.columns(0)] = torch.tensor([0.1, 0.0, 0.0, 0.0, 1.0, 1.0, 1.0])
    assert not torch.allclose(film(latent, t, prompt, seconds(1), None, Lead(told)), plain, atol=1e-3)
    crop = Crop(top=torch.tensor([2]), left=torch.tensor([1]), rows=6, columns=8)
    whole = film.coordinates((2, 6, 8), torch.zeros(1))[2].view(1, 2, 6, 8, 2)
    assert torch.allclose(
        film.coordinates((2, 3, 4), torch.zeros(1), crop)[2].view(1, 2, 3, 4, 2), whole[:, :, 2:5, 1:5]
    )


def test_it_can_be_shown_a_draft() -> None:
    torch.manual_seed(0)
    film = Transformer(replace(tiny(), layout=True, draft=True)).eval().requires_grad_(False)
    latent, prompt, t = films(1, rows=6, columns=8), film.read(ids(1)), torch.full((1,), 0.5)
    rows, draft = torch.zeros(1, 8, layouts.COLUMNS), torch.zeros(1, 8, 4, 6, 8)
    plain = film(latent, t, prompt, seconds(1))
    assert torch.equal(film(latent, t, prompt, seconds(1), None, Lead(rows, draft)), plain)  # zeros show nothing
    draft.normal_()
    shown = clean(film, latent, t, prompt, seconds(1), Lead(rows, draft))
    wanted = clean(film, latent, t, prompt, seconds(1)) + draft[:, :4]
    torch.testing.assert_close(shown, wanted)  # a fresh model takes the draft's colours as they are


def led(film: Transformer, batch: int) -> Lead:
    """Return a lead of noise for films of two seconds, 6 x 8 cells."""
    random = torch.Generator().manual_seed(2)
    draft, backdrop = torch.randn(batch, 12, 4, 6, 8, generator=random).split((8, 4), dim=1)
    return Lead(torch.rand(batch, 8, layouts.COLUMNS, generator=random), draft, backdrop)


def test_what_is_ready_before_the_steps_gives_what_each_step_gives_alone() -> None:
    torch.manual_seed(0)
    film = Transformer(replace(tiny(), layout=True, draft=True, backdrop=True)).eval().requires_grad_(False)
    for parameter in film.parameters():
        torch.nn.init.normal_(parameter, std=0.15)
    latent, prompt, lead = films(2, rows=6, columns=8), film.read(ids()), led(film, 2)
    times = torch.tensor([[1.0, 0.9], [0.7, 0.6], [0.2, 0.1]])
    bare = film.ready((2, 6, 8), prompt, times, seconds())
    anew = film.led(film.led(bare, Lead(lead.layout.flip(1))), lead)
    for ready, shown in ((bare, None), (film.led(bare, lead), lead), (anew, lead)):
        for step, t in enumerate(times):
            alone = film(latent, t, prompt, seconds(), None, shown)
            torch.testing.assert_close(film.velocity(latent, ready, step), alone, rtol=1e-4, atol=1e-4)


def test_what_is_ready_together_gives_what_it_gives_alone_of_one_latent() -> None:
    film, latent, times = model(), films(1), torch.tensor([[0.8], [0.3]])
    each = [film.ready((2, 3, 4), film.read(ids()[some]), times, seconds(1)) for some in (slice(0, 1), slice(1, 2))]
    found = film.velocity(latent, film.together(each), 1)
    alone = [film.velocity(latent, one, 1) for one in each]
    torch.testing.assert_close(found, torch.cat(alone), rtol=1e-4, atol=1e-4)


def test_weights_laid_the_other_way_round_say_the_same() -> None:
    film, latent = model(), films()
    said = velocity(film, latent)
    kept = {name: value.clone() for name, value in film.state_dict().items()}
    torch.testing.assert_close(velocity(film.lay(), latent), said, rtol=1e-4, atol=1e-4)
    assert all(torch.equal(value, kept[name]) for name, value in film.state_dict().items())
    assert film.into.weight.stride() == (1, 32)


@pytest.mark.parametrize("config", [tiny(), replace(tiny(), layout=True, draft=True, backdrop=True)])
def test_a_step_s_flops_are_those_of_its_products(config: TransformerConfig) -> None:
    film = Transformer(config).eval().requires_grad_(False)
    ready = film.ready((2, 6, 8), film.read(ids(1)), torch.full((1, 1), 0.5), seconds(1))
    ready, latent = film.led(ready, led(film, 1)), films(1, rows=6, columns=8)
    assert ceiling.count(lambda: film.velocity(latent, ready))[0] == film.flops((2, 6, 8))
