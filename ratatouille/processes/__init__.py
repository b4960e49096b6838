"""Child processes that a service owns: started, watched, restarted, and ended with it.

`child` supervises one program, and begins the commands of this installation. `reaper` is
the small process between the service and the program, which ends the program and all processes that it started when
the service ends, even by kill -9. `ending` ends a service on signals, a process whose owner is gone, and a pool of
processes at once. `ports` finds addresses and waits for them. `secret` and `guard` keep other users out of what
children serve, `throttle` keeps them from filling logs. `locks` are files that one process holds for itself. Nothing
here knows what the programs do.
"""

from ratatouille.processes.child import Child, Program, environment_with_scripts, module, script, service, stop_all
from ratatouille.processes.ending import end_with_owner, stop_on_signals
from ratatouille.processes.ports import free_port, refuse_taken_port, wait_for_url

__all__ = [
    "Child",
    "Program",
    "end_with_owner",
    "environment_with_scripts",
    "free_port",
    "module",
    "refuse_taken_port",
    "script",
    "service",
    "stop_all",
    "stop_on_signals",
    "wait_for_url",
]
