"""Client code inside a bundle. A node that loads it leaves a trace, and no node may."""

import os
from pathlib import Path

from flwr.clientapp import ClientApp

Path(os.environ["TRACE_OF_HOSTILE_CODE"]).touch()

app = ClientApp()
