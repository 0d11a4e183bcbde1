"""Provenance: every film says that a model made it, by a signed C2PA manifest and by an invisible mark."""

from __future__ import annotations

import datetime
import hashlib
import itertools
import json
import os
import tempfile
from pathlib import Path
from typing import Any

import c2pa
import sqlalchemy as sa
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from sqlalchemy.orm import Mapped, Session, mapped_column

from rushes import __version__
from rushes.errors import InputError, RushesError
from rushes.media import decode
from rushes.serve.client.database import Base
from rushes.serve.client.jobs import Job
from rushes.studio.house import House
from rushes.studio.trust.mark import Found, Mark

TYPES = {".mp4": "video/mp4", ".gif": "image/gif", ".webp": "image/webp", ".png": "image/png"}
MADE_BY_MODEL = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"
YEARS = 10
LOOKED_AT, APART = 24, 4  # frames that are searched for the mark, every so many
SETTINGS = {"builder": {"thumbnail": {"enabled": False}}}  # the film itself is the picture


class MarkNumber(Base):
    """Which job a mark's number stands for."""

    __tablename__ = "mark_numbers"

    number: Mapped[int] = mapped_column(sa.BigInteger, primary_key=True, autoincrement=False)
    job_id: Mapped[str]


class Signer:
    """Signs with a certificate of the studio's own authority, made at the first start in `folder`."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._key, self._chain = folder / "signer.key", folder / "signer.pem"
        self.authority = folder / "authority.pem"
        if not self._chain.exists():
            _make_certificates(folder)

    def sign(self, path: Path, job: Job, parent: Path | None = None) -> None:
        """Put a manifest into the film at `path`: what made it, from which prompt and, for a remix, from which film.

        Raises:
            RushesError: the file cannot carry one.
        """
        kind, signed = TYPES[path.suffix], path.with_name(f"signed-{path.name}")
        whole = c2pa.C2paSignerInfo(
            alg=c2pa.C2paSigningAlg.ES256,
            sign_cert=self._chain.read_bytes(),
            private_key=self._key.read_bytes(),
            ta_url=None,
        )
        context = c2pa.Context(c2pa.Settings.from_dict(SETTINGS))
        try:
            with c2pa.Builder(_manifest(job, path), context) as builder, c2pa.Signer.from_info(whole) as signer:
                if parent is not None:
                    described = json.dumps({"title": parent.name, "relationship": "parentOf"})
                    with parent.open("rb") as stream:
                        builder.add_ingredient(described, TYPES[parent.suffix], stream)
                with path.open("rb") as source, signed.open("w+b") as target:
                    builder.sign(signer, kind, source, target)
            signed.replace(path)
        except c2pa.C2paError as error:
            raise RushesError(f"{path.name} could not be signed: {error}") from None
        finally:
            signed.unlink(missing_ok=True)


def _manifest(job: Job, path: Path) -> str:
    prompt = hashlib.sha256(job.request["prompt"].encode()).hexdigest()
    action = {
        "action": "c2pa.created",
        "digitalSourceType": MADE_BY_MODEL,
        "softwareAgent": {"name": "Rushes", "version": __version__},
    }
    return json.dumps(
        {
            "claim_generator_info": [{"name": "Rushes", "version": __version__}],
            "title": path.name,
            "format": TYPES[path.suffix],
            "assertions": [
                {"label": "c2pa.actions", "data": {"actions": [action]}},
                {"label": "org.rushes.job", "data": {"job": job.id, "prompt_sha256": prompt, "kind": job.kind}},
            ],
        }
    )


def number_of(session: Session, job_id: str) -> int:
    """Return the number that the mark of a job's film carries, kept so that it can be found again."""
    for attempt in itertools.count():
        number = int.from_bytes(hashlib.sha256(f"{job_id}/{attempt}".encode()).digest()[:4], "big")
        found = session.get(MarkNumber, number)
        if found is None:
            session.add(MarkNumber(number=number, job_id=job_id))
            session.flush()
            return number
        if found.job_id == job_id:
            return number
    raise AssertionError


def job_of(session: Session, found: Found) -> str | None:
    """Return the id of the job whose film bears the mark that was found: of its numbers the likeliest that is one's.

    None, where there is no mark, or no film here has any of the numbers.
    """
    rows = (session.get(MarkNumber, number) for number in found.numbers if found.is_there)
    return next((row.job_id for row in rows if row is not None), None)


def signer_of(house: House) -> Signer:
    """Return the studio's own signer."""
    return Signer(house.config.folder / "signing")


def mark_of(house: House) -> Mark:
    """Return the studio's own mark."""
    return Mark(house.key("mark"))


def check(house: House, content: bytes) -> dict[str, Any]:
    """Say what is known of a film's file: its manifest, whether that holds and is ours, and whether it bears our mark.

    `verdict` is `ours` (the manifest holds and this studio signed it), `marked` (no manifest that holds, but the mark),
    `altered` (a manifest of ours, but the bytes are others), `foreign` (somebody else's manifest) or `unknown`.

    Raises:
        InputError: a kind of file that cannot carry either.
    """
    kind = _sniffed(content)
    with tempfile.TemporaryDirectory(prefix="rushes-") as folder:
        path = Path(folder) / f"film{next(ending for ending, known in TYPES.items() if known == kind)}"
        path.write_bytes(content)
        manifest, marked = _read_manifest(house, path, kind), _read_mark(house, path)
    if manifest["state"] == "valid":
        verdict = "ours" if manifest["is_ours"] else "foreign"
    elif manifest["state"] == "altered" and manifest["is_ours"]:
        verdict = "altered"
    else:
        verdict = "marked" if marked["is_there"] else "foreign" if manifest["state"] == "altered" else "unknown"
    return {"verdict": verdict, "manifest": manifest, "mark": marked}


def _read_manifest(house: House, path: Path, kind: str) -> dict[str, Any]:
    nothing = {"state": "none", "is_ours": False, "job": None, "failures": [], "ingredients": []}
    authority = signer_of(house).authority.read_text()
    settings = {**SETTINGS, "trust": {"trust_anchors": authority}, "verify": {"verify_trust": True}}
    try:
        with path.open("rb") as stream:
            reader = c2pa.Reader(kind, stream, context=c2pa.Context(c2pa.Settings.from_dict(settings)))
            state, whole = reader.get_validation_state(), json.loads(reader.json())
    except c2pa.C2paError as error:
        return (
            nothing if "ManifestNotFound" in repr(error) or "no JUMBF" in str(error) else nothing | {"state": "broken"}
        )
    active = whole["manifests"][whole["active_manifest"]]
    jobs = [one["data"]["job"] for one in active.get("assertions", []) if one["label"] == "org.rushes.job"]
    failures = [one["code"] for one in whole.get("validation_status", [])]
    return {
        "state": "valid" if state in ("Valid", "Trusted") else "altered",
        "is_ours": state == "Trusted" or (state == "Invalid" and "signingCredential.untrusted" not in failures),
        "job": jobs[0] if jobs else None,
        "failures": failures,
        "ingredients": [one.get("title") for one in active.get("ingredients", [])],
    }


def _read_mark(house: House, path: Path) -> dict[str, Any]:
    try:
        seen = itertools.islice(decode.frames(path), 0, LOOKED_AT * APART, APART)
        found = mark_of(house).find(seen)
    except RushesError:
        return {"is_there": False, "z": 0.0, "job": None}
    with house.database.read() as session:
        return {"is_there": found.is_there, "z": round(found.z, 1), "job": job_of(session, found)}


def _sniffed(content: bytes) -> str:
    if content[4:8] == b"ftyp":
        return "video/mp4"
    if content[:4] == b"RIFF" and content[8:12] == b"WEBP":
        return "image/webp"
    starts = {b"\x89PNG": "image/png", b"GIF8": "image/gif"}
    if content[:4] in starts:
        return starts[content[:4]]
    raise InputError(f"this is no film that could carry a manifest; legal: {', '.join(TYPES)}")


def _make_certificates(folder: Path) -> None:
    """Make the studio's authority and a signer's certificate under it; the keys are for the owner's eyes alone."""
    authority_key, signer_key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    authority = _certificate("Rushes studio authority", authority_key, None, authority_key)
    signer = _certificate("Rushes studio signer", signer_key, authority, authority_key)
    plain = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    pem = serialization.Encoding.PEM
    _write(folder / "authority.key", authority_key.private_bytes(*plain))
    _write(folder / "signer.key", signer_key.private_bytes(*plain))
    _write(folder / "authority.pem", authority.public_bytes(pem))
    _write(folder / "signer.pem", signer.public_bytes(pem) + authority.public_bytes(pem))


def _certificate(
    name: str,
    key: ec.EllipticCurvePrivateKey,
    issuer: x509.Certificate | None,
    issuer_key: ec.EllipticCurvePrivateKey,
) -> x509.Certificate:
    """Return a certificate as C2PA 2.2, section 14.5 asks for: of an authority, or of a signer under `issuer`."""
    subject = x509.Name(
        [x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Rushes"), x509.NameAttribute(NameOID.COMMON_NAME, name)]
    )
    start, is_authority = datetime.datetime.now(datetime.UTC) - datetime.timedelta(days=1), issuer is None
    usage = {"digital_signature": not is_authority, "key_cert_sign": is_authority, "crl_sign": is_authority}
    others = ("content_commitment", "key_encipherment", "data_encipherment", "key_agreement", "encipher_only")
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject if issuer is None else issuer.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(start + datetime.timedelta(days=365 * YEARS))
        .add_extension(x509.BasicConstraints(ca=is_authority, path_length=None), critical=True)
        .add_extension(x509.KeyUsage(**usage, **dict.fromkeys(others, False), decipher_only=False), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()), critical=False)
    )
    if not is_authority:
        builder = builder.add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.EMAIL_PROTECTION]), critical=False)
    return builder.sign(issuer_key, hashes.SHA256())


def _write(path: Path, content: bytes) -> None:
    """Write a file whole; keys can be read by nobody else."""
    draft = path.with_suffix(path.suffix + ".draft")
    mode = 0o600 if path.suffix == ".key" else 0o644
    with os.fdopen(os.open(draft, os.O_CREAT | os.O_TRUNC | os.O_WRONLY, mode), "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
