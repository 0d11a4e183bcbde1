"""Subjects for the studio's tests: pictures that can be cut out, one that can't, and tiny weights that see them."""

from __future__ import annotations

import io
from collections.abc import Callable
from functools import cache
from pathlib import Path

from PIL import Image, ImageDraw

from rushes.studio.library import subjects
from rushes.studio.library.subjects import Subject

ORANGE, CREAM = (214, 110, 40), (250, 250, 245)


def drawn(paint: Callable[[ImageDraw.ImageDraw], None], *, kind: str = "JPEG", ground: tuple = CREAM) -> bytes:
    """Return a small picture of what `paint` draws onto one plain ground."""
    picture = Image.new("RGBA" if len(ground) == 4 else "RGB", (180, 140), ground)
    paint(ImageDraw.Draw(picture))
    made = io.BytesIO()
    picture.save(made, kind)
    return made.getvalue()


def fox(draw: ImageDraw.ImageDraw) -> None:
    """Draw a fox that faces right."""
    draw.ellipse((40, 60, 128, 104), fill=ORANGE)
    draw.polygon([(118, 76), (160, 58), (166, 86)], fill=ORANGE)
    draw.polygon([(142, 62), (148, 42), (158, 62)], fill=(120, 60, 30))
    draw.polygon([(46, 76), (14, 54), (22, 92)], fill=(180, 80, 30))
    for left in (54, 70, 100, 116):
        draw.rectangle((left, 98, left + 7, 128), fill=(90, 50, 30))


def kite(draw: ImageDraw.ImageDraw) -> None:
    """Draw a kite."""
    draw.polygon([(90, 10), (130, 60), (90, 130), (50, 60)], fill=(40, 90, 180))


FOX = drawn(fox)
CLEAR_FOX = drawn(fox, kind="PNG", ground=(0, 0, 0, 0))
KITE = drawn(kite, kind="WEBP")
NOTHING = drawn(lambda draw: None)  # a sheet of paper


@cache
def cut_out() -> Subject:
    """Return the fox, cut out of its sheet."""
    return subjects.drawn(FOX)


def weights(folder: Path) -> Path:
    """Write tiny random weights whose films are led by a layout and by cut-outs; return their folder."""
    import torch

    from rushes.models import cutout, layout, text
    from rushes.models.autoencoder import Autoencoder, AutoencoderConfig
    from rushes.models.cutout import CutoutModel
    from rushes.models.layout import LayoutModel
    from rushes.models.transformer import Transformer, TransformerConfig
    from rushes.nn import weights as files

    torch.manual_seed(0)
    painter = AutoencoderConfig(channels=6, cell=4, widths=(8, 6, 4, 4, 4))
    sizes = {"channels": 6, "width": 32, "depth": 2, "heads": 2, "hidden": 48}
    film = TransformerConfig(**sizes, text=text.tiny(), layout=True, draft=True)
    planned, cut = layout.tiny(), cutout.tiny()
    autoencoder = Autoencoder(painter)
    autoencoder.transform.basis.normal_(std=0.1)
    models = {
        "autoencoder": ("autoencoder", autoencoder, painter),
        "film": ("transformer", Transformer(film), film),
        "layout": ("layout", LayoutModel(planned), planned),
        "cutout": ("cutout", CutoutModel(cut), cut),
    }
    random = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for name, (family, model, config) in models.items():
            for parameter in model.parameters():
                if not parameter.any():  # what starts at zero would hear of nothing
                    parameter.copy_(torch.randn(parameter.shape, generator=random) * 0.3)
            files.save(model, folder / name, family=family, config=config)
    return folder
