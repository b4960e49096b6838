"""Modules that a worker process of a rehearsal needs. The server that forks the workers imports this one, once."""

from __future__ import annotations

from importlib import import_module

from ratatouille.launch import importing
from ratatouille.training.eager import leave_out_compiler

with importing():
    leave_out_compiler()
    try:
        import_module("ratatouille.training.answer")  # with it timm and torchvision
    except OSError as error:  # a library cannot be loaded: a worker will say so, the server goes on
        raise ImportError(str(error)) from error
