"""Weights by SHA-256: complete ones in a store, those on their way in in an inbox, fetched ones in a bounded cache.

`store` is the port of complete weights, with two implementations: `folder` and `objects` (S3 and its like, over
obstore); `opening` chooses by one URL. `inbox` takes files in, always in a local folder: locked, resumable, checked
while they arrive. `cache` keeps fetched files, `windows` reads files that are elsewhere piece by piece, `disk` has what
all of them do with local files. `access` puts these together for the registry. Names are digests, never strings from
outside. Which weights belong to a version, and which may go, is decided by `registry.ledger.claims`.
"""
