"""The registry over gRPC: a process in front of a folder, and the client that speaks to it.

`wire` makes the table of calls out of `registry.port`; `servicer` answers them, `process` runs it, `client` is the port
on the other side. `idle` ends streams that are silent, `ahead` reads them in advance, `page` opens the web page beside.
"""
