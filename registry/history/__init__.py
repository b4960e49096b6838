"""The read side: one module for each question about versions, and the watcher of the event log.

`log`, `queries` (show), `lineage`, `diff`, `ranking` (best), `contributors` and `portable` answer. `side_by_side`
compares counts for `diff`. `watcher` follows the event log (`registry.ledger.event_log`).
"""
