"""The registry over gRPC: a process in front of a folder, and the clients that speak to it.

`wire` makes the table of calls out of the services' declarations; `servicer` answers them, `process` runs it, `client`
has the services' types on the other side, `described` tells tools about them. `idle` ends streams that are silent,
`ahead` reads them in advance, `page` opens the web page beside.
"""
