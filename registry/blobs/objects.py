"""The store in a bucket (S3, or another one that obstore opens): objects `ab/abcdef…` below the URL's prefix.

Small files go in one conditional request, large ones in several parts at once: obstore sets no condition on those, so a
large one is looked for first, and two that bring the same bytes at once replace equals by equals. Reads are ranges of a
few megabytes, each short and tried again by itself; nothing holds more than a few of them in memory.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Generator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import obstore
from obstore.exceptions import AlreadyExistsError, BaseError

from ratatouille.errors import Misconfigured, RatatouilleError, Unreachable
from registry.blobs.store import Block, Stored, damaged, hash_blob, is_digest, missing, shelf

if TYPE_CHECKING:
    from obstore.store import ObjectStore

PART = 8 * 2**20
"""Bytes of one request that uploads; a file of no more than this is one request."""
MOST_PARTS = 9_000
"""S3 takes 10,000 parts of one object."""
UPLOADERS = 4
RANGE = 4 * 2**20
"""Bytes of one request that reads a stream."""
AHEAD = 2
"""Ranges that are fetched while one is used."""

PASSING = frozenset({408, 409, 412, 425, 429})
"""Refusals that end by themselves: too slow, too many, or two at once."""
PASSING_CODES = frozenset({"RequestTimeout", "SlowDown", "OperationAborted"})

_STATUS = re.compile(r"non-2xx status code: (\d+)")
_CODE = re.compile(r"<Code>(\w+)</Code>")
_BEYOND = re.compile(r"status code: 416|StartTooLarge")
"""What stores say of a range that begins where the object has ended."""
_METADATA = "169.254.169.254"
"""Where obstore looks for credentials when the environment has none."""


class Objects:
    """`registry.blobs.store.BlobStore` over an object store."""

    def __init__(self, store: ObjectStore, name: str) -> None:
        self.name = name
        self._store = store

    def put(self, source: Path, digest: str) -> None:
        """Upload a file; it stays where it is."""
        if source.stat().st_size <= PART:
            stored = self._put(source, digest, "create")
        else:
            stored = self.size(digest) is None and self._put(source, digest, "overwrite")
        if not stored and hash_blob(self, digest) != digest:
            self._put(source, digest, "overwrite")

    def size(self, digest: str) -> int | None:
        """Length of the object."""
        key = shelf(digest)
        try:
            with self._own_errors():
                return obstore.head(self._store, key)["size"]
        except FileNotFoundError:
            return None

    def read(self, digest: str, offset: int, length: int) -> Block:
        """Some bytes of the object."""
        key = shelf(digest)
        if not length:
            return b""
        try:
            return memoryview(obstore.get_range(self._store, key, start=offset, length=length))
        except FileNotFoundError as error:
            if "NoSuchBucket" in str(error):
                raise self._trouble(error) from error
            raise missing(digest) from None
        except BaseError as error:
            if _BEYOND.search(str(error)):
                return b""
            raise self._trouble(error) from error

    def stream(self, digest: str, offset: int = 0) -> Generator[Block, None, None]:
        """The object from `offset` on, some ranges ahead of the reader."""
        size = self.size(digest)
        if size is None:
            raise missing(digest)
        starts = iter(range(offset, size, RANGE))
        coming: deque[Future[Block]] = deque()
        pool = ThreadPoolExecutor(AHEAD, thread_name_prefix="ranges")
        try:
            while True:
                while len(coming) <= AHEAD and (start := next(starts, None)) is not None:
                    coming.append(pool.submit(self._whole, digest, start, min(RANGE, size - start)))
                if not coming:
                    return
                yield coming.popleft().result()
        finally:  # the reader may stop in the middle
            pool.shutdown(wait=True, cancel_futures=True)

    def path(self, digest: str) -> None:
        """None: an object has no path."""

    def remove(self, digest: str) -> None:
        """Remove the object."""
        key = shelf(digest)
        try:
            with self._own_errors():
                obstore.delete(self._store, key)
        except FileNotFoundError:
            pass

    def stored(self) -> Iterator[Stored]:
        """All objects with a digest for a name."""
        with self._own_errors():
            for page in obstore.list(self._store):
                for found in page:
                    digest = found["path"].rpartition("/")[2]
                    if is_digest(digest) and found["path"] == shelf(digest):
                        yield Stored(digest, found["size"], found["last_modified"].timestamp())

    def check(self) -> None:
        """Check whether the bucket can be listed."""
        try:
            next(iter(obstore.list(self._store)), None)
        except BaseError as error:
            text = str(error)
            reason = _reason(text)
            if _METADATA in text:
                said = "no credentials were found; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
            elif reason == "NoSuchBucket":
                said = "there is no such bucket; make it, or correct the address"
            elif _is_permanent(text):
                said = f"it refuses our requests ({reason}); check the credentials, AWS_REGION and AWS_ENDPOINT_URL"
            else:
                raise self._trouble(error) from error
            raise Misconfigured(f"the store {self.name} for weights cannot be used: {said}") from error

    def _put(self, source: Path, digest: str, mode: Literal["create", "overwrite"]) -> bool:
        """Upload; returns False for "create" when there is an object already."""
        key, size = shelf(digest), source.stat().st_size
        try:
            with self._own_errors():
                obstore.put(
                    self._store,
                    key,
                    source,
                    mode=mode,
                    use_multipart=size > PART,
                    chunk_size=max(PART, -(-size // MOST_PARTS)),
                    max_concurrency=UPLOADERS,
                )
        except AlreadyExistsError:
            return False
        except FileNotFoundError as error:  # where an object is put, only the bucket can be missing
            raise self._trouble(error) from error
        return True

    def _whole(self, digest: str, offset: int, length: int) -> Block:
        block = self.read(digest, offset, length)
        if len(block) != length:
            raise damaged(digest, f"end after {offset + len(block)}")
        return block

    @contextmanager
    def _own_errors(self) -> Iterator[None]:
        """Turn errors of obstore into those of the registry, since the caller is not at fault."""
        try:
            yield
        except AlreadyExistsError:
            raise
        except BaseError as error:
            raise self._trouble(error) from error

    def _trouble(self, error: Exception) -> RatatouilleError:
        """Unreachable where a later try may work, Misconfigured where the store's settings or ours must change."""
        text = str(error)
        if _is_permanent(text):
            return Misconfigured(
                f"the store {self.name} for weights refuses the registry's requests ({_reason(text)}); its "
                "administrator must see to the credentials, the rights and the bucket"
            )
        return Unreachable(f"the store {self.name} for weights does not answer ({_reason(text)}); try again")


def _is_permanent(text: str) -> bool:
    """Whether the store refused, and would again: no credentials or rights, no such bucket."""
    if _METADATA in text or "NoSuchBucket" in text:
        return True
    status, code = _status(text) or 500, _CODE.search(text)
    return 400 <= status < 500 and status not in PASSING and (code is None or code[1] not in PASSING_CODES)


def _status(text: str) -> int | None:
    found = _STATUS.search(text)
    return int(found[1]) if found else None


def _reason(text: str) -> str:
    """The code or status of an error of obstore; its text is long, and may hold what should not be logged."""
    code = _CODE.search(text)
    if code:
        return code[1]
    status = _status(text)
    return f"status {status}" if status else "no connection"
