"""Torch without its compiler, `torch._dynamo`: it takes as long to import as torch itself, and nothing here compiles.

torchvision and timm import it for one question and one decorator, and torch's optimisers call it at every step. The
answers for code that is not compiled are known. So a stand-in gives them. As soon as anything else is asked of it, the
real compiler is imported and takes its place.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib import import_module
from types import ModuleType
from typing import Any

import torch

_COMPILER, _UTILITIES = "torch._dynamo", "torch._dynamo.utils"
_NOT_THE_COMPILER = ("__file__", "__spec__", "__wrapped__", "__warningregistry__")
"""Attributes that Python asks of any module, when it imports one or looks through all."""


class _StandIn(ModuleType):
    """A module of the compiler as far as code that is not compiled needs it; the real one is imported for the rest."""

    def __getattr__(self, name: str) -> Any:
        if name in _NOT_THE_COMPILER or (name == "__path__" and self.__name__ == _UTILITIES):
            raise AttributeError(name)
        for module in (_UTILITIES, _COMPILER):
            if isinstance(sys.modules.get(module), _StandIn):
                del sys.modules[module]
        return getattr(import_module(self.__name__), name)


def leave_out_compiler() -> None:
    """Put the stand-in in the compiler's place; does nothing where the compiler is imported already."""
    if _COMPILER in sys.modules:
        return
    compiler, utilities = _StandIn(_COMPILER), _StandIn(_UTILITIES)
    vars(compiler).update(disable=_same, graph_break=lambda: None, utils=utilities)
    vars(utilities).update(is_compile_supported=lambda device_type: False)
    sys.modules |= {_COMPILER: compiler, _UTILITIES: utilities}
    vars(torch)["_dynamo"] = compiler


def _same(fn: Callable[..., Any] | None = None, recursive: bool = True, **_: object) -> Callable[..., Any]:
    """The decorator `disable`: nothing is compiled, so the function stays as it is."""
    return _same if fn is None else fn
