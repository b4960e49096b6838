"""The registry remembers: every version of the shared model, who made it from what, and how well it does.

`port` is what the rest of the house knows: one interface, which `opening.open_registry(url)` gives for a folder (in
process: `local`) or for a running service (gRPC: `client`, `service`). Behind it: `records` and `schema` (what is
stored), `migrations`, `blobs` (bytes by digest) and `claims` on them, `examine`, `publish` and `combining` (the write
side), `queries` and `verify` (the read side). It sees weights as files and knows no torch and no Flower.
"""
