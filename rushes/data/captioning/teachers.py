"""Teachers: larger models that caption clips, behind an OpenAI-compatible endpoint or in `transformers`.

An answer is JSON with the captioner's own fields. Whatever goes wrong is an `InputError` or `RushesError` with its
reason; the stage makes a row of it.
"""

from __future__ import annotations

import base64
import json
import os
import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import urllib3

from rushes import config as configs
from rushes.data.captioning import local_teacher
from rushes.data.decode.analysis import View
from rushes.errors import InputError, RushesError

LOCAL = "transformers"  # the place of a model in this process
KEY = "RUSHES_TEACHER_KEY"  # the environment variable that holds an endpoint's key
PROMPT_VERSION = 1
PROMPT = """These are frames of one video clip, in order. Describe only what can be seen. Answer with one JSON object:
{"short": "who does what, where, in at most 12 words", "medium": "one sentence of at most 30 words",
"dense": "three to five sentences", "subjects": [{"kind": "", "colour": "", "size": "small, medium or large",
"motion": "", "direction": "left, right, up, down or none"}], "relation": "", "place": "", "time": "", "weather": "",
"camera": "", "shot": "wide, medium or close", "style": "", "quality": []}
Leave out what you are not sure of."""
TEXTS = ("short", "medium", "dense")
MOST_CHARACTERS = 2000  # of one text
MOST_BYTES = 2**20  # of one answer
_SUBJECT_KEYS = ("kind", "colour", "size", "motion", "direction")
_FILM_KEYS = ("relation", "place", "time", "weather", "camera", "shot", "style")
_FENCE = re.compile(r"^```(?:json)?\s*|\s*```$")
_RETRIED = (408, 429, 500, 502, 503, 504)

Ask = Callable[[Sequence[bytes]], str]


@dataclass(frozen=True, slots=True, kw_only=True)
class TeacherConfig:
    """How a teacher is asked: `frames` pictures of a clip, at most `tokens` of answer, `parallel` clips at once.

    A whole answer has `timeout_s` seconds. A try that fails in a way that may pass is repeated, `tries` in all, after
    a pause that doubles from `pause_s`.
    """

    frames: int = 4
    tokens: int = 600
    timeout_s: float = 60.0
    tries: int = 4
    pause_s: float = 1.0
    parallel: int = 4

    def __post_init__(self) -> None:
        for name in ("frames", "tokens", "tries", "parallel"):
            if getattr(self, name) < 1:
                raise InputError(f"{name} {getattr(self, name)} is illegal; the nearest legal value is 1")
        if not self.timeout_s > 0:
            raise InputError(f"timeout_s {self.timeout_s} is illegal; the nearest legal value is 1")


@dataclass(frozen=True, slots=True, kw_only=True)
class Teacher:
    """Who is asked: `place` is an endpoint's address or `transformers`, `model` its name there (or a folder)."""

    place: str
    model: str
    config: TeacherConfig

    @property
    def shapes_answers(self) -> list[Any]:
        """Return what an answer depends on: not how long it was waited for, nor where weights lie.

        Raises:
            RushesError: the weights of a model in this process are not here, or not whole.
        """
        who = local_teacher.fingerprint(self.model) if self.place == LOCAL else self.model
        return [PROMPT_VERSION, self.place, who, self.config.frames, self.config.tokens]


def parse(argument: str) -> Teacher:
    """Return the teacher that a stage's setting names: `PLACE MODEL [key=value]...`.

    Raises:
        InputError: no place or model, another place than http(s) or `transformers`, or an unknown key.
    """
    place, *rest = argument.split() or [""]
    named = [word for word in rest if "=" not in word]
    if not (place == LOCAL or re.match(r"https?://[^/]", place)):
        raise InputError(f"teacher {place!r} is no place to ask; legal: http://HOST/v1 MODEL, or transformers MODEL")
    if len(named) != 1:
        raise InputError(f"teacher {argument!r} names {len(named)} models; legal: {place} MODEL [key=value]...")
    config = configs.override(TeacherConfig(), [word for word in rest if "=" in word])
    return Teacher(place=place.rstrip("/"), model=named[0], config=config)


def open_teacher(teacher: Teacher) -> Ask:
    """Return the function that shows JPEG pictures to the teacher and returns its words.

    Raises:
        RushesError: `transformers` is not installed, or there is no such model for it.
    """
    if teacher.place != LOCAL:
        return _endpoint(teacher)
    c = teacher.config
    return local_teacher.open_model(teacher.model, PROMPT, tokens=c.tokens, timeout_s=c.timeout_s)


def pictures_of(view: View, num: int) -> list[bytes]:
    """Return `num` pictures of a clip, or all if there are fewer, evenly over it.

    Raises:
        InputError: analysis kept none.
    """
    jpegs = view.analysis.pictures.jpegs
    if not jpegs:
        raise InputError("analysis kept no picture of this clip")
    picks = np.unique(np.rint((np.arange(num) + 0.5) / num * len(jpegs) - 0.5).astype(int).clip(0, len(jpegs) - 1))
    return [jpegs[index] for index in picks]


def understand(answer: str) -> dict[str, Any]:
    """Return an answer as columns: three texts, and `fields` as JSON with only the keys that captions have.

    Raises:
        InputError: it is no JSON object, or lacks a text that is worth keeping.
    """
    text = _FENCE.sub("", answer.strip())
    try:
        said = json.loads(text)
    except (ValueError, RecursionError):
        raise InputError(f"the teacher's answer is no JSON: {_excerpt(answer)}") from None
    if not isinstance(said, dict):
        raise InputError(f"the teacher's answer is no JSON object: {_excerpt(answer)}")
    texts = {name: " ".join(said[name].split()) for name in TEXTS if isinstance(said.get(name), str)}
    if not texts.get("medium"):
        raise InputError(f"the teacher's answer has no 'medium' caption: {_excerpt(answer)}")
    for name, value in texts.items():
        if len(value) > MOST_CHARACTERS or "\ufffd" in value or not re.search(r"[^\W\d_]{2}", value):
            raise InputError(f"the teacher's {name!r} caption is no caption: {_excerpt(value)}")
    listed = said.get("subjects")
    subjects = listed if isinstance(listed, list) else []
    fields: dict[str, Any] = {"subjects": [_words(one, _SUBJECT_KEYS) for one in subjects if isinstance(one, dict)][:8]}
    fields |= _words(said, _FILM_KEYS)
    named = said.get("quality")
    tags = named if isinstance(named, list) else []
    fields["quality"] = [tag.lower()[:40] for tag in tags if isinstance(tag, str)][:8]
    missing = {name: texts["medium"] for name in TEXTS if not texts.get(name)}
    return {**texts, **missing, "fields": json.dumps(fields, sort_keys=True)}


def _words(said: dict[str, Any], keys: Sequence[str]) -> dict[str, str]:
    return {k: " ".join(said[k].lower().split())[:80] for k in keys if isinstance(said.get(k), str) and said[k].strip()}


def _excerpt(text: str) -> str:
    flat = " ".join(text.split())
    return repr(flat if len(flat) <= 80 else f"{flat[:80]}…")


def _endpoint(teacher: Teacher) -> Ask:
    c = teacher.config
    retries = urllib3.Retry(
        total=c.tries - 1,
        backoff_factor=c.pause_s,
        backoff_jitter=c.pause_s / 4,
        status_forcelist=_RETRIED,
        allowed_methods=None,  # asking twice does no harm
        raise_on_status=False,
        redirect=False,
    )
    timeout = urllib3.Timeout(connect=min(10.0, c.timeout_s), read=c.timeout_s)
    pool = urllib3.PoolManager(maxsize=c.parallel, retries=retries, timeout=timeout)
    headers = {"Content-Type": "application/json"}
    if key := os.environ.get(KEY):
        headers["Authorization"] = f"Bearer {key}"

    def ask(jpegs: Sequence[bytes]) -> str:
        urls = [f"data:image/jpeg;base64,{base64.b64encode(jpeg).decode()}" for jpeg in jpegs]
        content = [{"type": "image_url", "image_url": {"url": url}} for url in urls]
        message = {"role": "user", "content": [*content, {"type": "text", "text": PROMPT}]}
        body = {"model": teacher.model, "messages": [message], "max_tokens": c.tokens, "temperature": 0}
        try:
            response = pool.request(
                "POST",
                f"{teacher.place}/chat/completions",
                body=json.dumps(body),
                headers=headers,
                preload_content=False,
            )
            try:
                text = _read(response, c.timeout_s)
            finally:
                response.close()
        except urllib3.exceptions.HTTPError as error:
            raise RushesError(f"{teacher.place} does not answer: {_reason(error)}") from None
        if response.status != 200:
            raise RushesError(f"{teacher.place} answers {response.status}: {_excerpt(text)}")
        try:
            said = json.loads(text)["choices"][0]["message"]["content"]
        except (ValueError, LookupError, TypeError):
            raise RushesError(f"{teacher.place} answers no chat completion: {_excerpt(text)}") from None
        if not isinstance(said, str):
            raise RushesError(f"{teacher.place} answers no text: {_excerpt(text)}")
        return said

    return ask


def _read(response: urllib3.BaseHTTPResponse, timeout_s: float) -> str:
    """Return the body; a server that drips is not waited for longer than one that is silent."""
    ends, body = time.monotonic() + timeout_s, b""
    while chunk := response.read1(65536):
        body += chunk
        if len(body) > MOST_BYTES:
            raise RushesError(f"the teacher's answer is longer than {MOST_BYTES} bytes")
        if time.monotonic() > ends:
            raise RushesError(f"the teacher's answer is not complete after {timeout_s:g} s")
    return body.decode("utf-8", errors="replace")


def _reason(error: urllib3.exceptions.HTTPError) -> str:
    cause = error.reason if isinstance(error, urllib3.exceptions.MaxRetryError) and error.reason else error
    if isinstance(cause, urllib3.exceptions.TimeoutError):
        return "it timed out"
    return str(cause).partition(": ")[2] or str(cause)
