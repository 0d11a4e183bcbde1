"""Tests of the autoencoder: its transform is an orthonormal one, its painter obeys, its frames are counted."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from rushes.errors import InputError
from rushes.models.autoencoder import (
    HEADS,
    Autoencoder,
    AutoencoderConfig,
    PatchTransform,
    lay_out,
    tiny,
    to_bytes,
    travelling,
    triples,
)
from rushes.nn import machine, weights

TINY = tiny()
FULL_RANK = replace(TINY, channels=192)  # 4 frames x 4 x 4 pixels x 3 colours
SMALLEST_GRID = (2, 3)


def views(batch: int = 2, frames: int = 8) -> Tensor:
    """Smooth moving colours with a little grain, `[b 3 T 8 12]`: like pictures, most variance in few components."""
    random = torch.Generator().manual_seed(0)
    coarse = torch.randn(batch, 3, 2, 2, 3, generator=random)
    smooth = torch.nn.functional.interpolate(coarse, (frames, 8, 12), mode="trilinear")
    return (smooth + 0.05 * torch.randn(smooth.shape, generator=random)).clamp(-1, 1)


def statistics(transform: PatchTransform, films: Tensor) -> tuple[Tensor, Tensor]:
    patches = transform.patches(films).flatten(0, 3).double()
    return torch.cov(patches.T, correction=0), patches.mean(0)


def fitted(config: AutoencoderConfig = TINY) -> tuple[PatchTransform, Tensor]:
    transform, films = PatchTransform(config), views(200)
    transform.fit(*statistics(transform, films))
    return transform, films


def autoencoder() -> Autoencoder:
    torch.manual_seed(0)
    model = Autoencoder(tiny()).eval().requires_grad_(False)
    model.transform.load_state_dict(fitted()[0].state_dict())
    for name, parameter in model.painter.named_parameters():  # outputs start at zero, which would hide what blocks do
        if "second" in name:
            torch.nn.init.normal_(parameter, std=0.1)
        elif "heads" in name:
            parameter.add_(torch.randn(parameter.shape) * 0.05)
    return model


def latents(frames: int = 3) -> Tensor:
    return torch.randn(1, 12, frames, *SMALLEST_GRID, generator=torch.Generator().manual_seed(1))


def test_patches_and_back() -> None:
    transform, films = PatchTransform(tiny()), views()
    patches = transform.patches(films)
    assert patches.shape == (2, 2, 2, 3, 192)
    assert torch.equal(transform.unpatch(patches), films)
    block = films[1, :, 4:8, 4:8, 8:12].permute(1, 2, 3, 0)  # frames, rows, columns, colours
    assert torch.equal(patches[1, 1, 1, 2], block.flatten())


def test_the_fitted_basis_is_orthonormal_and_sorted() -> None:
    transform, films = fitted()
    assert torch.allclose(transform.basis @ transform.basis.T, torch.eye(12), atol=1e-5)
    spread = ((transform.patches(films).flatten(0, 3) - transform.mean) @ transform.basis.T).var(0)
    assert (spread.diff() < 0).all()


def test_channels_have_mean_variance_one_and_are_partly_whitened() -> None:
    transform, films = fitted()
    variance = transform.encode(films).transpose(0, 1).flatten(1).var(1)
    assert variance.mean() == pytest.approx(1.0, rel=1e-2)
    plain, _ = fitted(replace(tiny(), whitening=0.0))
    raw = plain.encode(films).transpose(0, 1).flatten(1).var(1)
    assert 1 < variance[0] / variance[-1] < raw[0] / raw[-1]


def test_it_is_the_best_linear_code() -> None:
    transform, films = fitted()
    covariance, _ = statistics(transform, films)
    error = (transform.decode(transform.encode(films)) - films).square().mean()
    left_out = torch.linalg.eigvalsh(covariance)[:-12].sum() / 192
    assert float(error) == pytest.approx(float(left_out), rel=1e-3)
    rival = PatchTransform(tiny())
    rival.load_state_dict(transform.state_dict())
    for seed in range(3):
        random = torch.randn(192, 12, generator=torch.Generator().manual_seed(seed))
        rival.basis.copy_(torch.linalg.qr(random).Q.T)
        assert (rival.decode(rival.encode(films)) - films).square().mean() > 5 * error


def test_at_full_rank_nothing_is_lost() -> None:
    transform, films = fitted(FULL_RANK)
    assert torch.allclose(transform.decode(transform.encode(films)), films, atol=1e-4)


@pytest.mark.parametrize(
    ("shape", "said"),
    [
        ((1, 3, 7, 8, 8), "frames 7 is no multiple of 4; the nearest legal value is 8"),
        ((1, 3, 4, 10, 8), "height 10 is no multiple of 4; the nearest legal value is 8"),
        ((1, 3, 4, 8, 1), "width 1 is no multiple of 4; the nearest legal value is 4"),
    ],
)
def test_a_view_that_is_no_whole_cells_is_refused(shape: tuple[int, ...], said: str) -> None:
    with pytest.raises(InputError, match=said):
        autoencoder().encode(torch.zeros(shape))


@pytest.mark.parametrize("frame", [0, 3])
def test_a_picture_can_be_shown_at_one_moment_of_the_shipped_transform(frame: int) -> None:
    transform = Autoencoder.from_pretrained(Path("weights/autoencoder")).transform
    down, across = torch.meshgrid(torch.linspace(-0.8, 0.8, 48), torch.linspace(-0.6, 0.9, 64), indexing="ij")
    picture = torch.stack((down, across, -down))
    latent = torch.randn(1, 160, 1, 3, 4, generator=torch.Generator().manual_seed(0))
    added = transform.towards(picture, frame)(latent)
    shown = transform.decode(latent + added)[0, :, frame]
    assert -10 * torch.log10((shown - picture).square().mean() / 4) > 30
    assert transform.towards(picture, frame)(latent + added).norm() < 0.1 * added.norm()  # little is left to add
    quiet = transform.decode(transform.towards(picture, frame)(0 * latent))[0]
    assert (quiet - picture[:, None]).square().mean() < 0.05  # what shows it likeliest stands still


def test_channels_deviate_as_in_the_films_they_were_fitted_to() -> None:
    shipped = Autoencoder.from_pretrained(Path("weights/autoencoder")).transform
    deviation, stillness = shipped.deviation(), shipped.stillness()
    assert torch.isclose(deviation.square().mean(), torch.tensor(1.0))
    assert (deviation.diff() <= 1e-4).all()
    assert ((stillness >= 0) & (stillness <= 1)).all()
    assert stillness[:6].min() > 0.99


def test_triples_join_neighbours_and_the_ends_repeat() -> None:
    latent = torch.arange(6.0).view(1, 2, 3, 1, 1)  # two channels, three latent frames
    joined = triples(latent)[:, :, 0, 0]
    assert joined.tolist() == [[0, 3, 0, 3, 1, 4], [0, 3, 1, 4, 2, 5], [1, 4, 2, 5, 2, 5]]


@pytest.mark.parametrize(("fps", "each"), [(8, 4), (24, 12)])
@pytest.mark.parametrize("pixels", HEADS)
def test_every_legal_rate_and_size_is_painted(fps: int, each: int, pixels: int) -> None:
    chunks = list(autoencoder().decode(latents(2), fps=fps, pixels=pixels))
    rows, columns = SMALLEST_GRID
    first = each // 4  # so that they can be watched
    nums = (first, each - first, each)
    assert [chunk.shape for chunk in chunks] == [(num, rows * pixels, columns * pixels, 3) for num in nums]
    assert all(chunk.dtype == torch.uint8 for chunk in chunks)


@pytest.mark.parametrize(
    ("fps", "pixels", "said"),
    [
        (12, 16, "fps 12 can't be painted; the nearest legal value is 8"),
        (30, 16, "fps 30 can't be painted; the nearest legal value is 24"),
        (8, 20, "20 pixels per cell can't be painted; the nearest legal value is 16"),
        (8, 100, "100 pixels per cell can't be painted; the nearest legal value is 80"),
    ],
)
def test_other_rates_and_sizes_are_refused(fps: int, pixels: int, said: str) -> None:
    with pytest.raises(InputError, match=said):
        next(autoencoder().decode(latents(), fps=fps, pixels=pixels))


def paint(model: Autoencoder, latent: Tensor, fps: int = 24) -> Tensor:
    return torch.cat(list(model.decode(latent, fps=fps, pixels=16)))


def test_eight_frames_a_second_are_every_third_of_twenty_four() -> None:
    model = autoencoder()
    assert (paint(model, latents(), 24)[::3].int() - paint(model, latents(), 8).int()).abs().max() <= 1


def test_the_first_frames_are_those_of_the_whole_film() -> None:
    model = autoencoder()
    few = torch.cat(list(model.decode(latents(), fps=24, pixels=16, num_frames=17)))
    assert torch.equal(few, paint(model, latents())[:17])


def test_training_on_changes_what_films_are_painted_with() -> None:
    model = autoencoder()
    before = paint(model, latents(1))
    model.train()
    model.painter.grow16.weight.normal_()
    assert not torch.equal(paint(model.eval(), latents(1)), before)


def test_a_frame_sees_its_neighbouring_half_seconds_and_no_more() -> None:
    model, latent = autoencoder(), latents(5)
    changed = latent.clone()
    changed[:, :, 0] += 3
    is_same = (paint(model, latent) == paint(model, changed)).flatten(1).all(1).view(5, 12).all(1)
    assert is_same.tolist() == [False, False, True, True, True]


def test_frames_of_one_half_second_differ() -> None:
    first = paint(autoencoder(), latents(1)).float()
    assert (first.diff(dim=0).abs().mean((1, 2, 3)) > 0).all()


def test_blocks_are_laid_out_as_pictures() -> None:
    blocks = torch.arange(2 * 3 * 2 * 2 * 3).view(1, 2, 3, 2, 2, 3)
    picture = lay_out(blocks)
    assert picture.shape == (1, 4, 6, 3)
    assert torch.equal(picture[0, 2:4, 4:6], blocks[0, 1, 2])


def test_bytes_are_rounded_and_clamped() -> None:
    values = torch.tensor([-2.0, -1.0, 0.0, 1.0, 2.0])
    assert to_bytes(values).tolist() == [0, 0, 128, 255, 255]
    assert to_bytes(torch.arange(256) / 127.5 - 1).tolist() == list(range(256))


def test_bfloat16_follows_float32() -> None:
    model, joined = autoencoder(), triples(latents())
    frames = torch.arange(12)
    exact = {pixels: model.painter(model.features(joined, frames), pixels) for pixels in HEADS}
    model.painter.to(torch.bfloat16)
    for pixels in HEADS:
        found = model.painter(model.features(joined, frames), pixels).float()
        assert 0 < (found - exact[pixels]).norm() / exact[pixels].norm() < 0.05


def test_weights_come_back(tmp_path: Path) -> None:
    model = autoencoder().to(torch.bfloat16).float()  # what shipping keeps of the painter
    model.transform.load_state_dict(fitted()[0].state_dict())
    found = Autoencoder.from_pretrained(weights.save(model, tmp_path / "a", family="autoencoder", config=model.config))
    assert torch.equal(found.encode(views()), model.encode(views()))
    assert torch.equal(paint(found, latents()), paint(model, latents()))


def test_travelling_frames_arrive_in_order_behind_those_on_their_way() -> None:
    made: list[int] = []

    def frames() -> Iterator[Tensor]:
        for index in range(5):
            made.append(index)
            yield torch.full((1,), index)

    arriving = travelling(frames())
    assert made == []
    assert int(next(arriving)) == 0 and made == [0, 1, 2]  # two more are on their way
    assert [int(each) for each in arriving] == [1, 2, 3, 4]
    assert list(travelling(iter([]))) == []


@pytest.mark.gpu
def test_an_accelerator_paints_the_same_frames_up_to_rounding() -> None:
    place = machine.device()
    usual = torch.cat(list(autoencoder().decode(latents(3), fps=24, pixels=48, num_frames=29)))
    painted = list(autoencoder().to(place).decode(latents(3).to(place), fps=24, pixels=48, num_frames=29))
    assert [len(frames) for frames in painted] == [12, 12, 5]
    assert all(frames.device.type == "cpu" for frames in painted)
    assert (torch.cat(painted).int() - usual.int()).abs().max() <= 2
