"""Records that travel between coordinator, nodes and registry, and the version numbers that peers compare.

`assignment` is a question, `receipt` its signed answer, `version` an immutable entry of the history, `membership` what
nodes say of themselves, `order` what Flower carries. `signing` seals them. Nothing here opens a socket.
"""
