"""A model on a server that speaks the Videos API: a film is asked for, waited for and fetched.

A model is named `http(s)://HOST[:PORT]/v1#MODEL`; the key is $RUSHES_REMOTE_KEY.
"""

from __future__ import annotations

import contextlib
import io
import os
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from rushes import __version__, config
from rushes.errors import InputError, RushesError
from rushes.media import decode
from rushes.models.open import Checkpoint, OpenFamily, Place, Watch
from rushes.tiers import MODEL, Native, Tier
from rushes.types import Estimate, GenerationRequest, VideoShape

KEY = "RUSHES_REMOTE_KEY"
TIMEOUT_S, PAUSE_S = 60.0, 2.0
PATIENCE = 5  # answers in a row that may fail while a film is waited for
DONE, OVER = "completed", ("completed", "failed", "cancelled")
PICTURES, PREVIEW_PX = ("WEBP", "PNG", "JPEG"), 512
FRAME_COPIES = 4  # of a film's pixels that are held at once
FULL = ("fps", "num_frames", "num_inference_steps", "guidance_scale", "seed", "negative_prompt")


class RemoteMaker:
    """A server's model in the shape of a Generator; the server decides what is legal, and its words are shown."""

    hashes: dict[str, str] = {}  # noqa: RUF012 - a server does not say
    device, dtype = torch.device("cpu"), torch.float32

    def __init__(self, key: str) -> None:
        self._key = key

    def record(self, request: GenerationRequest) -> dict[str, Any]:
        """Return the request as plain JSON."""
        return config.to_dict(request) | {"weights": {}, "rushes": __version__, "device": "remote"}

    def estimate(self, request: GenerationRequest) -> Estimate:
        """Return what it costs here, which is little; how long the server takes, it does not say before."""
        pixels = request.shape.frames * request.shape.height * request.shape.width
        return Estimate(seconds=0.0, denoise_s=0.0, memory_bytes=FRAME_COPIES * 3 * pixels)

    def generate(self, request: GenerationRequest, watch: Watch) -> Iterator[np.ndarray]:
        """Yield the frames, uint8 RGB `[h w 3]`, of the film that the server made, fitted to the request's shape.

        Raises:
            InputError: the server refuses the request.
            RushesError: it can't be reached, does not know the key, or failed; nothing is left behind there.
        """
        address, model = split(request.model)
        with _Server(address, self._key) as server, tempfile.TemporaryDirectory(prefix="rushes-") as folder:
            path = Path(folder) / ("film.png" if request.shape.frames == 1 else "film.mp4")
            path.write_bytes(server.film(request, model, watch))
            shape = request.shape
            size = {"height": shape.height, "width": shape.width}
            yield from decode.filling(path, num_frames=shape.frames, fps=request.fps, **size)

    def preview(self, clean: np.ndarray) -> np.ndarray:
        """Return the picture that the server sent, uint8 `[h w 3]`."""
        return clean


class _Server:
    """A connection to a Videos API; whatever goes wrong on the way is one line."""

    def __init__(self, address: str, key: str) -> None:
        import httpx

        self._httpx, self._address = httpx, address
        headers = {"authorization": f"Bearer {key}"} if key else {}
        self._client = httpx.Client(headers=headers, timeout=TIMEOUT_S, follow_redirects=False)

    def __enter__(self) -> _Server:
        return self

    def __exit__(self, *raised: object) -> None:
        self._client.close()

    def film(self, request: GenerationRequest, model: str, watch: Watch) -> bytes:
        """Return the bytes of the finished film."""
        made = self._ask(request, model)
        name, failed = made["id"], 0
        try:
            while made.get("status") not in OVER:
                watch(round(request.num_steps * (made.get("progress") or 0) / 100), self._seen(made))
                time.sleep(PAUSE_S if made.get("pause_s") is None else made["pause_s"])
                try:
                    made, failed = self._call("GET", f"/videos/{name}"), 0
                except RushesError:
                    failed += 1
                    if failed >= PATIENCE:
                        raise
        except BaseException:
            with contextlib.suppress(RushesError):  # nobody will fetch it
                self._call("DELETE", f"/videos/{name}")
            raise
        if made["status"] != DONE:
            said = (made.get("error") or {}).get("message") or made["status"]
            raise RushesError(f"{self._address} made no film: {said}")
        return self._send("GET", f"/videos/{name}/content").content

    def _seen(self, made: dict[str, Any]) -> np.ndarray | None:
        """Return a picture, uint8 `[h w 3]`, of a film that is being made, where the server itself has one."""
        here = self._httpx.URL(self._address)
        there = here.join(made.get("preview_url") or "")
        if there == here or there.host != here.host:  # nobody else is to see the key
            return None
        with contextlib.suppress(self._httpx.HTTPError, OSError, ValueError):
            content = self._client.get(there).raise_for_status().content
            with Image.open(io.BytesIO(content), formats=PICTURES) as picture:
                picture.thumbnail((PREVIEW_PX, PREVIEW_PX))
                return np.asarray(picture.convert("RGB"))
        return None

    def _ask(self, request: GenerationRequest, model: str) -> dict[str, Any]:
        """Order the film: in full where the server says that it takes more than the API's own four words."""
        shape = request.shape
        values: dict[str, Any] = {"model": model, "prompt": request.prompt, "size": f"{shape.width}x{shape.height}"}
        if self._takes_more(model):
            given = config.to_dict(request) | {"num_frames": shape.frames, "num_inference_steps": request.num_steps}
            values |= {name: given[name] for name in FULL if given[name] not in ("", None)}
        else:
            values["seconds"] = str(round(shape.frames / request.fps))
        first = request.condition("first")
        content = {"input_reference": Path(first.uri).read_bytes()} if first else {}
        files = {name: (Path(first.uri).name, each) for name, each in content.items()} if first else None
        body = {"data": {k: str(v) for k, v in values.items()}, "files": files} if files else {"json": values}
        return self._call("POST", "/videos", **body)

    def _takes_more(self, model: str) -> bool:
        try:
            return "fps" in self._call("GET", f"/models/{model}")
        except InputError:
            return False

    def _call(self, method: str, path: str, **body: Any) -> dict[str, Any]:
        answer = self._send(method, path, **body)
        try:
            said = answer.json()
        except ValueError:
            said = None
        if not isinstance(said, dict):
            raise RushesError(f"{self._address} is no Videos API: {method} {path} is no JSON object")
        wait_ms = answer.headers.get("openai-poll-after-ms", "")
        return said | ({"pause_s": int(wait_ms) / 1000} if wait_ms.isdigit() else {})

    def _send(self, method: str, path: str, **body: Any) -> Any:
        try:
            answer = self._client.request(method, f"{self._address}{path}", **body)
        except self._httpx.HTTPError as error:
            raise RushesError(f"{self._address} can't be reached: {error or type(error).__name__}") from None
        if answer.is_success:
            return answer
        with contextlib.suppress(ValueError, AttributeError, TypeError):
            message = answer.json()["error"]["message"]
            if answer.status_code in (400, 404, 422):
                raise InputError(f"{self._address}: {message}")
            hint = f"; is ${KEY} set?" if answer.status_code == 401 else ""
            raise RushesError(f"{self._address} answers {answer.status_code}: {message}{hint}")
        kind = InputError if answer.status_code in (400, 404, 422) else RushesError
        raise kind(f"{self._address} answers {answer.status_code} to {method} {path}")


def split(name: str) -> tuple[str, str]:
    """Return the address and the model of `http://HOST/v1#MODEL`; without one, our own studios' model is meant."""
    address, _, model = name.partition("#")
    return address.rstrip("/"), model or MODEL


def load(checkpoint: Checkpoint, folder: Path, place: Place) -> RemoteMaker:
    """Return a maker that asks servers; nothing is loaded."""
    if place.adapters:
        raise InputError("a remote model takes no adapters; its server has them or has not")
    return RemoteMaker(os.environ.get(KEY, ""))


SPEC = OpenFamily(
    name="remote",
    checkpoints=(
        Checkpoint(
            name="remote",
            repo="",
            licence="the server's",
            num_parameters=0,
            native=Native(
                tier=Tier(
                    name="remote",
                    shape=VideoShape(frames=24, height=432, width=768),
                    fps=8,
                    num_steps=20,
                    guidance_scale=3.0,
                ),
                multiple_px=1,
                most_pixels=1 << 24,
                step=1,
                most_frames=1 << 16,
                fps=tuple(range(1, 121)),
                conditions=("first",),
            ),
            has_lora=False,
        ),
    ),
    load=load,
)
