"""A port below 1024: a user without the right to it is told how to get it, and the right of Caddy's file is enough."""

import os
import shutil
import struct
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from coordinator.door.process import find_caddy

NOBODY = 65534
FIRST_FREE = Path("/proc/sys/net/ipv4/ip_unprivileged_port_start")
BIND_LOW_PORTS = struct.pack("<IIIII", 0x02000001, 1 << 10, 0, 0, 0)
"""What `setcap cap_net_bind_service=+ep` writes to a file."""
ASK = """
import os, sys
from coordinator.door.process import _refuse_forbidden_port
os.setgroups([]); os.setgid({nobody}); os.setuid({nobody})
sys.executable = {python!r}
try:
    _refuse_forbidden_port(443)
    print("may")
except Exception as refusal:
    print(refusal)
"""


@pytest.mark.skipif(os.getuid() != 0, reason="only root can become another user")
def test_the_hint_names_the_caddy_that_is_started_and_setcap_on_it_helps() -> None:
    if not FIRST_FREE.exists() or int(FIRST_FREE.read_text()) <= 443:
        pytest.skip("every user may listen on port 443 here")
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        caddy = Path(shutil.copy(find_caddy(), folder))
        ask = ASK.format(nobody=NOBODY, python=str(caddy.with_name("python")))

        def answer() -> str:
            done = subprocess.run([sys.executable, "-c", ask], capture_output=True, text=True, check=True, timeout=120)
            return done.stdout.strip()

        refused = answer()
        assert refused.startswith("this user may not listen on port 443: `sudo sysctl net.ipv4.ip_unprivileged_port_st")
        assert f"`sudo setcap cap_net_bind_service=+ep {caddy}`" in refused
        os.setxattr(caddy, "security.capability", BIND_LOW_PORTS)
        assert answer() == "may"
