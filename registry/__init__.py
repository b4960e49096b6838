"""The registry: every version of the shared model, its contributor, its parents, its weights and its scores.

`port` is what the rest of the house knows: one interface, which `opening.open_registry(url)` gives for a folder (in
process: `local`) or for a running service (gRPC: `service`). `records` are what it is told and what it answers.

Behind it one room for each thing that people do: contribute (`contributions`), average (`averages`), ask (`history`),
change (`changes`), keep or remove weights (`retention`), check all of it (`audit`), take versions along (`folders`,
`parcels`), save the whole (`backup`). They stand on `schema`, `database` and `engines` (rows) and on `blobs` (bytes by
digest). `commands` and `web` show it to people. It sees weights as files and knows no torch and no Flower.
"""
