"""The registry over gRPC: methods made from the services, streams, and the clients that call them.

`wire` makes the table of calls out of the services' declarations; `servicer` answers them, `client` has the services'
types on the other side, `described` tells tools about them. `idle` ends streams that are silent, `ahead` reads them in
advance.
"""
