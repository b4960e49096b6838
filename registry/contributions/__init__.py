"""The write side: a signed receipt with its weights becomes a version.

In the order of a contribution's life: `membership` (offers, leases), `entitlements` (holdings and quotas), `examine`
(what must hold of a receipt), `publish` and `push` (its files), `ledger` (its rows).
"""
