"""The registry remembers: every version of the shared model, who made it from what, and how well it does.

`port` is what the rest of the house knows: one interface, which `open_registry(url)` gives for a folder (in process) or
for a running service (gRPC). Behind it: `records` and `schema` (what is stored), `migrations`, `blobs` (bytes by digest),
`publish` (the write side), `queries` (the read side), `service` and `client` (gRPC). It sees weights as files and
knows no torch and no Flower.
"""
