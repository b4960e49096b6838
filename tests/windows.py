"""Runs commands in this process as on Windows: our packages see no module, function or constant that Windows lacks.

`python -P tests/windows.py [["log"], ["show", "latest"]]` prints a JSON list with code, output and errors of each.
Packages of others, which have branches of their own for Windows, see this machine as it is.
"""

from __future__ import annotations

import builtins
import io
import json
import os
import select
import signal
import socket
import sys
from contextlib import redirect_stderr, redirect_stdout
from types import ModuleType
from typing import Any

OURS = {"ratatouille", "registry", "coordinator", "contributor_client"}
MODULES = {"fcntl", "grp", "pty", "pwd", "resource", "termios", "tty"}
LACKS = {
    "os": """fork forkpty setsid getuid geteuid getgid getegid killpg getpgid fchmod fchown chown lchown pread pwrite
    preadv pwritev statvfs fstatvfs nice getloadavg mkfifo set_blocking sysconf uname sync sendfile waitid wait3 wait4
    sched_getaffinity sched_setaffinity posix_fallocate posix_fadvise getpriority setpriority WNOHANG O_NONBLOCK
    O_DIRECTORY O_NOFOLLOW O_CLOEXEC O_SYNC O_DSYNC""",
    "signal": """SIGHUP SIGKILL SIGCHLD SIGALRM SIGPIPE SIGUSR1 SIGUSR2 SIGQUIT pthread_sigmask setitimer alarm
    sigwait""",
    "select": "poll epoll",
    "socket": "AF_UNIX",
}
"""Names that Windows lacks, by module."""


class Lacking(ModuleType):
    """A module without what Windows lacks of it."""

    def __init__(self, real: ModuleType) -> None:
        super().__init__(real.__name__)
        self.__dict__["real"] = real

    def __getattr__(self, name: str) -> Any:
        real = self.__dict__["real"]
        if name in LACKS[real.__name__].split():
            raise AttributeError(f"module {real.__name__!r} has no attribute {name!r} on Windows")
        return open_no_folder if real is os and name == "open" else getattr(real, name)


def open_no_folder(path: Any, flags: int, mode: int = 0o777, **more: Any) -> int:
    """`os.open`, which opens no folder on Windows."""
    if os.path.isdir(path):
        raise PermissionError(13, "Permission denied", str(path))
    return os.open(path, flags, mode, **more)


LACKING = {module.__name__: Lacking(module) for module in (os, select, signal, socket)}
_import = builtins.__import__


def importing(name: str, globals: Any = None, locals: Any = None, fromlist: Any = (), level: int = 0) -> Any:
    """The `import` statement; what our packages import is Windows'."""
    if level == 0 and (globals or {}).get("__name__", "").partition(".")[0] in OURS:
        if name in MODULES:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
        if name in LACKING:
            return LACKING[name]
    return _import(name, globals, locals, fromlist, level)


def called(words: list[str]) -> tuple[Any, str, str]:
    """Code, output and errors of one command."""
    from ratatouille.cli.main import main

    out, err = io.StringIO(), io.StringIO()
    sys.argv = ["ratatouille", *words]
    with redirect_stdout(out), redirect_stderr(err):
        try:
            main()
        except SystemExit as end:
            return end.code, out.getvalue(), err.getvalue()
    return None, out.getvalue(), err.getvalue()


if __name__ == "__main__":
    builtins.__import__ = importing
    print(json.dumps([called(words) for words in json.loads(sys.argv[1])]))
