"""A safetensors file from anywhere, as a box of named tensors that are read one at a time; numpy only.

What the tensors are, and whether they fit, is for `whole`. Pickles are never opened.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from copy import copy
from pathlib import Path

from safetensors import SafetensorError, safe_open

from ratatouille.errors import Refusal
from ratatouille.weights.canonical import LARGEST_HEADER, Array

PICKLES = (".pt", ".pth", ".bin", ".ckpt", ".pkl", ".pickle", ".tar")


class Container(Mapping[str, Array]):
    """The tensors of a safetensors file, each read when it is asked for."""

    def __init__(self, path: Path) -> None:
        """Open the file.

        Raises:
            Refusal: when it is a pickle, or no safetensors file.
        """
        self.path = path
        if path.suffix.lower() in PICKLES:
            raise pickled(path)
        if not path.is_file():
            raise Refusal(f"there is no file '{path}'; give a safetensors file, or the folder of a model")
        try:
            with path.open("rb") as file:
                if int.from_bytes(file.read(8), "little") > LARGEST_HEADER:
                    raise ValueError("its header is too large")
            with safe_open(path, framework="numpy") as file:  # which sees that the tensors fill the file, without gaps
                slices = {name: file.get_slice(name) for name in file.keys()}  # noqa: SIM118  it is no mapping
                self.kinds = {name: (one.get_dtype(), tuple(one.get_shape())) for name, one in slices.items()}
                """Type and shape of each tensor."""
        except (OSError, ValueError, SafetensorError) as error:
            raise Refusal(
                f"'{path}' cannot be read as a safetensors file: {error}; save the weights with safetensors"
            ) from error
        self._names = {name: name for name in self.kinds}
        """For each tensor its name in the file."""

    @property
    def what(self) -> str:
        """The file, for messages."""
        return f"'{self.path.name}'"

    def without(self, prefix: str) -> Container:
        """The same tensors, `prefix` taken off the names that begin with it.

        Raises:
            Refusal: when two tensors would get the same name.
        """
        names: dict[str, str] = {}
        for name, inside in self._names.items():
            short = name.removeprefix(prefix)
            if short in names:
                raise Refusal(
                    f"{self.what} holds {short[:80]!r} with and without {prefix!r} before it; keep one of them"
                )
            names[short] = inside
        renamed = copy(self)
        renamed._names = names
        renamed.kinds = {name.removeprefix(prefix): kind for name, kind in self.kinds.items()}
        return renamed

    def __getitem__(self, name: str) -> Array:
        inside = self._names[name]
        with safe_open(self.path, framework="numpy") as file:  # opened for one tensor, and memory is that of one
            found: Array = file.get_tensor(inside)
        return found

    def __contains__(self, name: object) -> bool:
        return name in self.kinds  # without reading the tensor

    def __iter__(self) -> Iterator[str]:
        return iter(self.kinds)

    def __len__(self) -> int:
        return len(self.kinds)


def pickled(path: Path) -> Refusal:
    """The sentence for files that run code when they are opened."""
    return Refusal(
        f"'{path}' is a pickle, which can run anything when it is opened, so it is not; save the weights where they "
        "were made with safetensors.torch.save_file(model.state_dict(), 'model.safetensors')"
    )
