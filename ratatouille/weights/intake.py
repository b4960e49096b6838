"""Intake: checks weights from outside byte by byte as they arrive, and refuses at the first bad one.

It checks, block by block and in constant memory, that a file is the canonical file of the expected tensors (names,
shapes, order, length), that every float is finite, that buffers equal the ancestor's, and that the SHA-256 is the
promised one. What it has let through may be written to a temporary file; only `finish` makes it trustworthy.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence

import numpy as np

from ratatouille.errors import Refusal
from ratatouille.weights.architecture import Tensor
from ratatouille.weights.canonical import NUMPY, Array, complain, header, in_order, size


class Intake:
    """Checks one canonical file that arrives in pieces of any length."""

    def __init__(self, tensors: Sequence[Tensor], digest: str, ancestor: Mapping[str, Array] | None = None) -> None:
        """Expect the file of `tensors` with SHA-256 `digest`; buffers must equal those of `ancestor` when given."""
        self.size = size(tensors)
        self.received = 0
        self._tensors = tensors
        self._digest = digest
        self._ancestor = ancestor
        self._sha = hashlib.sha256()
        self._header = header(tensors)
        self._seen = bytearray()
        """The header so far, or the beginning of an element that the last block broke off."""
        self._expected = iter(in_order(tensors))
        self._tensor = next(self._expected, None)
        self._done = 0

    def update(self, block: bytes | memoryview) -> None:
        """Check the next bytes.

        Raises:
            Refusal: naming what is wrong with them.
        """
        view = memoryview(block)
        if self._header:  # first, since its refusal says more than a length
            view = self._take_header(view)
        if self.received + len(block) > self.size:
            raise Refusal(f"more bytes than the {self.size} that this architecture has; nothing was stored")
        self._sha.update(block)
        self.received += len(block)
        if not self._header:
            self._consume(view)

    def finish(self) -> None:
        """Check that all bytes came and hash to the promised digest."""
        if self._header:
            complain(bytes(self._seen), self._tensors, "the file")
        if self.received != self.size:
            raise Refusal(f"the file ends after {self.received} of {self.size} bytes; send it again")
        if self._sha.hexdigest() != self._digest:
            raise Refusal(f"the bytes hash to {self._sha.hexdigest()[:12]}…, not to the promised {self._digest[:12]}…")

    def _take_header(self, view: memoryview) -> memoryview:
        missing = len(self._header) - len(self._seen)
        self._seen += view[:missing]
        if len(self._seen) == len(self._header):
            complain(bytes(self._seen), self._tensors, "the file")
            self._header = b""
            self._seen.clear()
        return view[missing:]

    def _consume(self, view: memoryview) -> None:
        """Check the elements of the current tensor that are complete, and go on to the next; no byte is copied."""
        while (tensor := self._tensor) is not None:
            width = NUMPY[tensor.dtype].itemsize
            if self._seen:  # complete the element that was broken off
                missing = width - len(self._seen)
                self._seen += view[:missing]
                view = view[missing:]
                if len(self._seen) < width:
                    return
                self._take(tensor, memoryview(bytes(self._seen)))
                self._seen.clear()
            take = min(len(view) // width * width, tensor.nbytes - self._done)
            if take:
                self._take(tensor, view[:take])
                view = view[take:]
            if self._done < tensor.nbytes:
                self._seen += view
                return
            self._tensor, self._done = next(self._expected, None), 0

    def _take(self, tensor: Tensor, view: memoryview) -> None:
        dtype = NUMPY[tensor.dtype]
        self._check(tensor, np.frombuffer(view, dtype=dtype), self._done // dtype.itemsize)
        self._done += len(view)

    def _check(self, tensor: Tensor, values: Array, start: int) -> None:
        # min and max carry NaN and infinity along and are many times faster than isfinite().all()
        if tensor.dtype == "F32" and not (np.isfinite(values.min()) and np.isfinite(values.max())):
            raise Refusal(f"tensor {tensor.name} holds NaN or infinite values; the training diverged, lower its rate")
        if tensor.buffer and self._ancestor is not None:
            before = self._ancestor[tensor.name].reshape(-1)[start : start + len(values)]
            if before.tobytes() != values.tobytes():
                raise Refusal(
                    f"buffer {tensor.name} moved away from the start's; train with BatchNorm in eval mode "
                    "(running statistics frozen), since averaging cannot mend them"
                )
