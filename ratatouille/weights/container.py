"""A safetensors file from anywhere, as a box of tensors under the network's own names, read one at a time.

numpy only, and pickles are never opened. What the tensors are, and whether they fit, is for `whole`. Training code puts
prefixes before every name, such as `module.` of DataParallel: a known prefix is taken off. Another one is named, since
it may say that the file holds something else (`ema.`, `teacher.`). A file that holds the network more than once is
refused: it does not say which copy is meant.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from copy import copy
from pathlib import Path

from safetensors import SafetensorError, safe_open

from ratatouille.errors import Refusal
from ratatouille.weights.architecture import Architecture
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


KNOWN = ("module.", "_orig_mod.", "model.", "net.", "state_dict.", "timm_model.")
"""DataParallel, torch.compile, training loops, saved dictionaries, and transformers' wrapper of timm."""


def take_off(container: Container, architecture: Architecture) -> tuple[Container, str]:
    """The tensors under the network's own names, and the prefix that was taken off; "" where there was none.

    Raises:
        Refusal: for an unknown prefix, or a file that holds the network more than once.
    """
    prefix = find_prefix(container.kinds.keys(), [tensor.name for tensor in architecture.featurizer], container.what)
    return (container.without(prefix), prefix) if prefix else (container, "")


def find_prefix(names: Collection[str], wanted: Sequence[str], what: str) -> str:
    """The known prefix, or combination of known ones, under which `names` has the `wanted` ones; "" for none.

    Args:
        names: those in a file.
        wanted: those of the network; some may be missing.
        what: the file, for messages.

    Raises:
        Refusal: for an unknown prefix, or several.
    """
    found = _prefixes(set(names), wanted)
    if not found or "" in found:
        return ""
    if len(found) > 1:
        raise Refusal(
            f"{what} holds the network more than once, under {' and '.join(map(repr, found[:3]))}; keep one of them"
        )
    if not is_known(found[0]):
        raise Refusal(
            f"the names in {what} begin with {found[0][:80]!r}, which is not a prefix that is known "
            f"({', '.join(KNOWN)}); if the tensors are those of the network, take it off the names and save them again"
        )
    return found[0]


def is_known(prefix: str) -> bool:
    """Whether a prefix is a known one, or several of them one after another."""
    while prefix:
        part = next((one for one in KNOWN if prefix.startswith(one)), None)
        if part is None:
            return False
        prefix = prefix.removeprefix(part)
    return True


def _prefixes(names: set[str], wanted: Sequence[str]) -> list[str]:
    """The prefixes with most of the wanted names behind them, if that is at least half of these."""
    counts: dict[str, int] = {}
    for first in {*wanted[:1], *wanted[-1:]}:  # one of them may be what is missing
        for name in names:
            if name == first or name.endswith(f".{first}"):
                prefix = name[: len(name) - len(first)]
                counts[prefix] = sum(f"{prefix}{one}" in names for one in wanted)
    most = max(counts.values(), default=0)
    return sorted(prefix for prefix, count in counts.items() if count == most and 2 * count >= len(wanted))
