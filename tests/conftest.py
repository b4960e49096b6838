"""For all tests: signals mean to this process, and to those that it starts, what they mean in a terminal."""

import signal


def pytest_configure() -> None:
    """A shell starts background jobs with SIGINT ignored, `nohup` with SIGHUP; child processes inherit that."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
        signal.signal(signal.SIGHUP, signal.SIG_DFL)
