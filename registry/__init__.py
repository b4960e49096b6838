"""The registry: every version of the shared model, its contributor, its parents, its weights and its scores.

`registry.open(url)` gives its services, for a folder (in process) or for an address (gRPC, `transport`). Each service
is one class in `services`, and its public methods are the interface. `records` are what they take and answer.

Behind the services is one folder or module for each thing that people do: contribute (`contributions`), average
(`averages`), read (`history`), retract (`retraction`), keep or remove weights (`retention`), check all of it (`audit`);
what they share is in `ledger`. They stand on `database`, `schema` and `engines` (rows) and `blobs` (bytes by digest).
Versions leave and come by `exports`. `commands` and `web` show a registry to people, `server` is its process. Imports
point downwards only, which is a contract. The registry sees weights as files and knows no torch and no Flower.
"""

from registry.opening import open_registry as open

__all__ = ["open"]
