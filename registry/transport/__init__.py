"""The registry over gRPC: methods made from the services, streams, and the clients that call them.

`wire` makes the table of calls out of the services' declarations, and describes them for gRPC reflection. `servicer`
answers them, `client` has the services' types on the other side, and `statuses` carries errors between the two.
`messages` are those that carry weights; `stream_limits` ends streams that are silent or slow, and limits their number.
"""

import os

# gRPC writes what it notes of each handshake on the terminal, beside the one sentence that we say of it.
os.environ.setdefault("GRPC_VERBOSITY", "ERROR")
