"""On PYTHONPATH: a Python whose clock is $TEST_CLOCK_SHIFT seconds ahead, for `time.time` and `datetime.now`."""

import datetime
import os
import time

SHIFT = float(os.environ.get("TEST_CLOCK_SHIFT", "0"))
_time = time.time
_datetime = datetime.datetime


class _ShiftedType(type):
    def __instancecheck__(cls, instance: object) -> bool:
        return isinstance(instance, _datetime)


class _Shifted(_datetime, metaclass=_ShiftedType):
    @classmethod
    def now(cls, tz: datetime.tzinfo | None = None) -> datetime.datetime:  # type: ignore[override]
        return _datetime.now(tz) + datetime.timedelta(seconds=SHIFT)


if SHIFT:
    time.time = lambda: _time() + SHIFT
    datetime.datetime = _Shifted  # type: ignore[misc]
