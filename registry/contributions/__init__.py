"""The write side: a signed receipt with its weights becomes a version.

In the order of a contribution's life: `definitions` (tasks and architectures), `membership` (offers and leases),
`answers` (is the question answered?), `quotas`, `examine` (what must hold of a receipt), `claims` (weights that nobody
may remove meanwhile), `publish` and `push` (its files), `ledger` (its rows). `admission` says afterwards what was
checked.
"""
