"""The registry: every version of the shared model, its contributor, its parents, its weights and its scores.

`registry.open(url)` gives its services, for a folder (in process) or for a running service (gRPC, `service`). Each
service is one class in `services`, and its public methods are the interface. `records` are what it takes and answers.

Behind the services is one folder for each thing that people do: contribute (`contributions`), average (`averages`), ask
(`history`), change (`changes`), keep or remove weights (`retention`), check all of it (`audit`), take versions along
(`folders`, `parcels`), save the whole (`backup`). They stand on `schema`, `database` and `engines` (rows) and `blobs`
(bytes by digest). `commands` and `web` show it to people. It sees weights as files and knows no torch and no Flower.
"""

from registry.opening import open_registry as open

__all__ = ["open"]
