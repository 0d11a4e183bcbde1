"""A store in a bucket that speaks the S3 protocol: each key is an object below the prefix, whole or not at all."""

from __future__ import annotations

import contextlib
import io
import os
import re
import threading
from collections.abc import Iterator
from typing import Any, BinaryIO
from urllib.parse import urlsplit

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError, NoCredentialsError, ResponseStreamingError

from rushes.errors import InputError, RushesError
from rushes.store._keys import missing, require_legal
from rushes.store._lease import Lease

PART_BYTES = 8 << 20
URL_SECONDS = 3600
READ_TRIES = 4
_SETTINGS = Config(
    connect_timeout=10,
    read_timeout=60,
    retries={"mode": "standard", "total_max_attempts": 5},
    request_checksum_calculation="when_required",  # many servers know no others; the ledger has its own
    response_checksum_validation="when_required",
    max_pool_connections=16,
    signature_version="s3v4",
)
_NOT_THERE = ("NoSuchKey", "404", "NotFound")
_THERE = ("PreconditionFailed", "412", "ConditionalRequestConflict", "409")
_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_clients: dict[tuple[str, ...], Any] = {}
_lock = threading.Lock()  # sessions are not for several threads, clients are


class S3Store:
    """put, get, list, delete and url over the objects of `bucket` whose names begin with `prefix` and a slash."""

    def __init__(self, bucket: str, prefix: str = "") -> None:
        self._bucket, self._prefix = bucket, f"{prefix}/" if prefix else ""
        self._client = _client(bucket)
        self._lease: Lease | None = None

    @classmethod
    def at(cls, place: str) -> S3Store:
        """Return the store at `place`: `s3://bucket` or `s3://bucket/prefix`.

        Raises:
            InputError: an illegal address, no credentials, no such bucket, no right to it, or nobody answers.
        """
        bucket, _, prefix = place.removeprefix("s3://").partition("/")
        if not place.startswith("s3://") or not _BUCKET.fullmatch(bucket):
            raise InputError(f"{place[:80]!r} names no bucket; a legal address looks like 's3://bucket/prefix'")
        prefix = prefix.strip("/")
        if prefix:
            require_legal(prefix)
        return cls(bucket, prefix)

    def put(self, key: str, content: bytes | BinaryIO) -> None:
        """Keep `content` (bytes, or an open binary file read in pieces) under `key`, in place of what was there.

        What is larger than PART_BYTES goes up in parts, which become the object at the end, together.

        Raises:
            InputError: an illegal key.
            RushesError: the bucket did not take it, or a lease that this store held (`hold`) is lost.
        """
        name = self._name(key)
        self._require_ours()
        with self._said(f"store {key!r}"):
            if isinstance(content, bytes) and len(content) <= PART_BYTES:
                self._client.put_object(Bucket=self._bucket, Key=name, Body=content)
                return
            file = io.BytesIO(content) if isinstance(content, bytes) else content
            first = _read_whole(file, PART_BYTES)
            if len(first) < PART_BYTES:
                self._client.put_object(Bucket=self._bucket, Key=name, Body=first)
            else:
                self._put_parts(name, first, file)

    def create(self, key: str, content: bytes) -> None:
        """Keep `content` under a key that is not there yet; the same content may be there already.

        A server that knows conditional writes never lets two writers create one key; of one that does not, the
        lease has to keep the second away.

        Raises:
            InputError: an illegal key.
            RushesError: it is there with other content, or as `put`.
        """
        name = self._name(key)
        self._require_ours()
        if not self.list(key):
            with self._said(f"store {key!r}"):
                try:
                    self._client.put_object(Bucket=self._bucket, Key=name, Body=content, IfNoneMatch="*")
                    return
                except ClientError as error:
                    if _code(error) not in _THERE:
                        raise
        if self.get(key) != content:  # what is the same is ours: an answer was lost, and the client asked again
            raise RushesError(f"{key!r} is in s3://{self._bucket} already: another run writes there too")

    def _put_parts(self, name: str, first: bytes, file: BinaryIO) -> None:
        """Send one part after the other; what breaks off, for whatever reason, leaves no parts behind."""
        where = {"Bucket": self._bucket, "Key": name}
        upload = {**where, "UploadId": self._client.create_multipart_upload(**where)["UploadId"]}
        try:
            parts: list[dict[str, Any]] = []
            piece = first
            while piece:
                number = len(parts) + 1
                tag = self._client.upload_part(**upload, PartNumber=number, Body=piece)["ETag"]
                parts.append({"PartNumber": number, "ETag": tag})
                piece = _read_whole(file, _part_bytes(number))
            self._client.complete_multipart_upload(**upload, MultipartUpload={"Parts": parts})
        except BaseException:
            with contextlib.suppress(ClientError, BotoCoreError):  # the first error is the one to hear of
                self._client.abort_multipart_upload(**upload)
            raise

    def get(self, key: str, *, start: int = 0, length: int | None = None) -> bytes:
        """Return the content of `key`, or only the `length` bytes of it from byte `start` on (fewer where it ends).

        Raises:
            InputError: an illegal key, or one that is not there (the nearest is named).
            RushesError: it could not be read.
        """
        if length == 0:
            self._require(key)
            return b""
        name, got = self._name(key), bytearray()
        for tries in range(1, READ_TRIES + 1):
            wanted = None if length is None else length - len(got)
            try:
                with self._said(f"read {key!r}"):
                    return self._read_on(key, name, start + len(got), wanted, got)
            except _CutOffError as error:
                if tries == READ_TRIES:
                    raise RushesError(f"could not read {key!r} from s3://{self._bucket}: {error}") from None
        raise AssertionError

    def _read_on(self, key: str, name: str, start: int, length: int | None, got: bytearray) -> bytes:
        """Read the rest into `got`; what came before the connection broke stays in it."""
        end = "" if length is None else start + length - 1
        extra = {"Range": f"bytes={start}-{end}"} if start or length is not None else {}
        try:
            body = self._client.get_object(Bucket=self._bucket, Key=name, **extra)["Body"]
        except ClientError as error:
            if _code(error) in _NOT_THERE:
                raise self._missing(key) from None
            if _code(error) in ("InvalidRange", "416"):  # at or behind the end
                return bytes(got)
            raise
        try:
            for piece in body.iter_chunks(1 << 20):
                got += piece
        except (ResponseStreamingError, HTTPClientError) as error:
            raise _CutOffError(str(error)) from None
        return bytes(got)

    def list(self, prefix: str = "") -> list[str]:
        """Return the keys that begin with `prefix`, sorted. Objects that stand for folders (`films/`) are none.

        Raises:
            RushesError: the bucket did not answer.
        """
        keys = []
        with self._said("list"):
            pages = self._client.get_paginator("list_objects_v2")
            for page in pages.paginate(Bucket=self._bucket, Prefix=self._prefix + prefix):
                keys += [one["Key"].removeprefix(self._prefix) for one in page.get("Contents", ())]
        return sorted(key for key in keys if key and not key.endswith("/"))

    def delete(self, key: str) -> None:
        """Forget `key`; one that is not there stays so.

        Raises:
            InputError: an illegal key.
            RushesError: the bucket did not do it, or a lease that this store held (`hold`) is lost.
        """
        name = self._name(key)
        self._require_ours()
        with self._said(f"delete {key!r}"):
            self._client.delete_object(Bucket=self._bucket, Key=name)

    def sweep(self) -> None:
        """Give up uploads that killed writers left half-done, which are paid for; call it only while nobody writes.

        Raises:
            RushesError: the bucket did not do it.
        """
        with self._said("list the unfinished uploads"):
            try:
                pages = self._client.get_paginator("list_multipart_uploads")
                found = [
                    (upload["Key"], upload["UploadId"])
                    for page in pages.paginate(Bucket=self._bucket, Prefix=self._prefix)
                    for upload in page.get("Uploads", ())
                ]
            except ClientError as error:
                if _code(error) in ("NotImplemented", "501", "NoSuchUpload"):
                    return  # a server that cannot list them forgets them by itself, or says so of an empty list
                raise
            for name, upload in found:
                self._client.abort_multipart_upload(Bucket=self._bucket, Key=name, UploadId=upload)

    @contextlib.contextmanager
    def hold(self) -> Iterator[None]:
        """Keep other writers out while the body runs, by a lease: an object below `lock/`, renewed while we live.

        Should the lease be lost on the way (the machine slept, the bucket was away), this store writes no more.

        Raises:
            InputError: another writer holds it, or was killed less than a minute ago.
            RushesError: the bucket did not answer.
        """
        lease = Lease(self._client, self._bucket, self._prefix)
        with contextlib.ExitStack() as stack:
            with self._said("take the lease"):
                stack.enter_context(lease.taken())
            self._lease = lease
            try:
                yield
            finally:
                self._lease = None

    def _require_ours(self) -> None:
        if self._lease:
            self._lease.require()

    def url(self, key: str) -> str:
        """Return an address at which whoever has it can read `key` for URL_SECONDS: `https://...`.

        Raises:
            InputError: an illegal key, or one that is not there (the nearest is named).
        """
        name = self._require(key)
        with self._said(f"sign an address of {key!r}"):
            where = {"Bucket": self._bucket, "Key": name}
            return self._client.generate_presigned_url("get_object", Params=where, ExpiresIn=URL_SECONDS)

    def _name(self, key: str) -> str:
        require_legal(key)
        return self._prefix + key

    def _require(self, key: str) -> str:
        """Return the object's name; it must be there."""
        name = self._name(key)
        with self._said(f"look at {key!r}"):
            try:
                self._client.head_object(Bucket=self._bucket, Key=name)
            except ClientError as error:
                if _code(error) in _NOT_THERE:
                    raise self._missing(key) from None
                raise
        return name

    def _missing(self, key: str) -> InputError:
        return missing(key, self.list(key.rpartition("/")[0]))  # a whole bucket is too much for a hint

    @contextlib.contextmanager
    def _said(self, doing: str) -> Iterator[None]:
        """Turn what goes wrong on the way into one line.

        It is no InputError: a bucket that fails in the middle of a run is no fault of the film in hand.
        """
        try:
            yield
        except (ClientError, BotoCoreError) as error:
            raise RushesError(f"could not {doing} in s3://{self._bucket}: {_reason(error)}") from None


class _CutOffError(Exception):
    """The connection broke in the middle of an object."""


def _read_whole(file: BinaryIO, num_bytes: int) -> bytes:
    """Return `num_bytes` of a file, fewer only at its end; one `read` of a stream may give less."""
    pieces = []
    while num_bytes and (piece := file.read(num_bytes)):
        pieces.append(piece)
        num_bytes -= len(piece)
    return b"".join(pieces)


def _part_bytes(number: int) -> int:
    """Return the size of the part after part `number`: it doubles every 2,000 of the 10,000 that S3 allows."""
    return PART_BYTES << (number // 2000)


def _client(bucket: str) -> Any:
    """Return this process's client for `bucket`, which answered once.

    Raises:
        InputError: no credentials, no such bucket, no right to it, or nobody answers.
    """
    names = sorted(name for name in os.environ if name.startswith("AWS_"))
    key = (bucket, *(f"{name}={os.environ[name]}" for name in names))
    with _lock:
        if key not in _clients:
            client = _connect()
            _require_bucket(client, bucket)
            _clients[key] = client
        return _clients[key]


def _connect() -> Any:
    try:
        session = boto3.session.Session()
        region = session.region_name or "us-east-1"
        client = session.client("s3", region_name=region, config=_SETTINGS)
        host = urlsplit(client.meta.endpoint_url).hostname or ""
        if host.endswith((".amazonaws.com", ".amazonaws.com.cn")):
            return client
        by_path = _SETTINGS.merge(Config(s3={"addressing_style": "path"}))  # own servers seldom have a name per bucket
        return session.client("s3", region_name=region, config=by_path)
    except (BotoCoreError, ValueError) as error:
        raise InputError(f"the settings for S3 are wrong: {error}") from None


def _require_bucket(client: Any, bucket: str) -> None:
    where = f"s3://{bucket} at {client.meta.endpoint_url}"
    try:
        client.head_bucket(Bucket=bucket)
    except NoCredentialsError:
        raise InputError(
            f"no credentials for {where}; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE"
        ) from None
    except ClientError as error:
        said = {"404": "there is no such bucket", "NoSuchBucket": "there is no such bucket"}
        said["403"] = "these credentials have no right to it, or are wrong"
        said["301"] = "it lies in another region; set AWS_DEFAULT_REGION"
        raise InputError(f"cannot open {where}: {said.get(_code(error), _reason(error))}") from None
    except BotoCoreError as error:
        raise InputError(f"cannot reach {where}: {_reason(error)}; is AWS_ENDPOINT_URL_S3 right?") from None


def _code(error: ClientError) -> str:
    return str(error.response.get("Error", {}).get("Code", ""))


def _reason(error: Exception) -> str:
    if isinstance(error, ClientError):
        said = error.response.get("Error", {})
        return f"{said.get('Code', '')} {said.get('Message', '')}".strip()
    return str(error)


SPEC = S3Store
