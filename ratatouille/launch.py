"""The launcher of services: `python -P -m ratatouille.launch [--postpone MODULE:CLASS] -m MODULE …`.

It imports the module and calls its `main`. A service imports a thousand modules; two things that need time then, and
that it does not need, are left out: collections of garbage, and modules of libraries that this service never uses.
"""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from types import ModuleType
from typing import Any


@contextmanager
def importing() -> Iterator[None]:
    """Collect nothing while the block imports, and never look at what it has imported: that stays for good."""
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


def imported(name: str) -> ModuleType:
    """A module, which is imported like that unless it was."""
    if name in sys.modules:
        return sys.modules[name]
    with importing():
        return import_module(name)


def postpone(module: str, name: str) -> None:
    """Import a module not before its class `name` is called, or anything else of it is looked for.

    Does nothing where the module is imported already.
    """
    if module in sys.modules:
        return
    stand_in = _StandIn(module)
    setattr(stand_in, name, lambda *given, **named: stand_in.real(name)(*given, **named))
    sys.modules[module] = stand_in


class _StandIn(ModuleType):
    """A module that is imported when it is needed."""

    def real(self, name: str) -> Any:
        """What the module itself has under a name."""
        if sys.modules.get(self.__name__) is self:
            del sys.modules[self.__name__]
        return getattr(import_module(self.__name__), name)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):  # Python asks any module for some of these
            raise AttributeError(name)
        return self.real(name)


def main() -> None:
    """The process's entry; the module finds its own arguments in `sys.argv`."""
    words = sys.argv[1:]
    with importing():
        while words[0] == "--postpone":
            postpone(*words[1].split(":"))
            del words[:2]
        name = words[1]
        module = import_module(name)
    sys.argv[:] = [name, *words[2:]]
    module.main()


if __name__ == "__main__":
    main()
