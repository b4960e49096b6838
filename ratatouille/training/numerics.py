"""The numerics profiles: the ways in which work computes, named in every work id (`exchange.dialect`).

float32, one thread, deterministic algorithms, no TF32; so two processes on one machine train to identical bits. Another
instruction set or another version of torch gives other last bits, which is why receipts carry `describe()`. A round may
ask for trainings whose passes compute in bfloat16; nothing else ever does.
"""

from __future__ import annotations

import ctypes
import os
import platform
import re
from contextlib import AbstractContextManager, nullcontext, suppress
from importlib.metadata import version
from typing import Any

import torch

from ratatouille.errors import Refusal
from ratatouille.exchange.dialect import BFLOAT16
from ratatouille.training.eager import leave_out_compiler

ENVIRONMENT = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "CUBLAS_WORKSPACE_CONFIG": ":4096:8"}
"""Read by libraries when they load: processes that are started later inherit it."""


_TRIM_THRESHOLD, _TOP_PAD, _MMAP_THRESHOLD = -1, -2, -3
"""Names of glibc's malloc.h."""


def apply() -> None:
    """Put the profile into effect for this process; calling it again changes nothing."""
    os.environ.update(ENVIRONMENT)
    leave_out_compiler()
    _keep_memory()
    if torch.get_num_threads() != 1:
        torch.set_num_threads(1)
    if torch.get_num_interop_threads() != 1:
        # torch allows this once, before its first work; nothing that we run uses these threads
        with suppress(RuntimeError):
            torch.set_num_interop_threads(1)
    torch.set_default_dtype(torch.float32)
    torch.set_float32_matmul_precision("highest")
    torch.backends.cudnn.allow_tf32 = False
    torch.backends.cudnn.benchmark = False
    torch.set_deterministic_debug_mode("error")  # `use_deterministic_algorithms` imports the compiler
    # every kernel that we use writes its whole output; filling memory beforehand only costs time
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]


def _keep_memory() -> None:
    """Let the C library keep freed memory for the next step instead of returning it.

    Each step takes and frees hundreds of megabytes; getting them anew from the kernel, page by page, costs a tenth of
    the time. It changes no number.
    """
    if platform.libc_ver()[0] != "glibc":
        return
    library = ctypes.CDLL(None)
    for option, value in ((_MMAP_THRESHOLD, 32 * 2**20), (_TRIM_THRESHOLD, 2**31 - 1), (_TOP_PAD, 256 * 2**20)):
        library.mallopt(option, value)


def passes(profile: str, on: torch.device) -> AbstractContextManager[Any]:
    """The context of a training's forward pass, which its backward pass follows, under a profile."""
    if profile == BFLOAT16:
        return torch.autocast(on.type, dtype=torch.bfloat16)
    return nullcontext()


def device(wanted: str = "auto") -> torch.device:
    """The device to compute on: `auto` takes a CUDA GPU if there is one; `cpu`, `cuda`, `cuda:1` and `mps` insist.

    Raises:
        Refusal: for a device that is not here, with those that are.
    """
    kind, _, number = wanted.partition(":")
    if kind not in ("auto", "cpu", "cuda", "mps") or (number and not (kind == "cuda" and number.isdecimal())):
        raise Refusal(f"there is no device {wanted!r}; use auto, cpu, cuda, cuda:1 or mps")
    here = devices()
    if wanted == "auto":
        return torch.device("cuda" if "cuda:0" in here else "cpu")
    if wanted not in here and not (wanted == "cuda" and "cuda:0" in here):
        raise Refusal(
            f"torch finds no device {wanted} here, only {', '.join(here)}; use one of them or auto, or install torch "
            "for your GPU",
            code="device-missing",
        )
    return torch.device(wanted)


def devices() -> list[str]:
    """The devices that torch finds on this machine."""
    cuda = [f"cuda:{number}" for number in range(torch.cuda.device_count())] if torch.cuda.is_available() else []
    return ["cpu", *cuda, *(["mps"] if torch.backends.mps.is_available() else [])]


def _word(text: str) -> str:
    """A version or a device's name, as its maker gave it; without what could be part of a path."""
    return re.sub(r"[^A-Za-z0-9 .+()_-]", "-", text)[:60]


def describe(on: torch.device) -> tuple[dict[str, str], str]:
    """What receipts say: versions of the software that computes, and the device in words."""
    software = {name: _word(version(name)) for name in ("numpy", "pillow", "timm", "torch")}
    software["python"] = platform.python_version()
    if on.type == "cuda":
        software["cuda"] = _word(str(torch.version.cuda))
        return software, _word(torch.cuda.get_device_name(on))
    if on.type == "mps":
        return software, f"mps ({platform.machine()})"
    return software, f"cpu ({platform.machine()}, {torch.backends.cpu.get_cpu_capability()})"
