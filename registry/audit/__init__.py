"""The audit, `verify --all`: every row and byte of a registry is checked, page by page, while it is in use.

`stages` lists what is looked at and in which order; each stage is a module that knows one kind of thing. `pages` cuts
the walk into pages that say where the next one begins, so an audit needs no memory on the registry's side, no
transaction that stays open, and no call that takes long. `verify` checks one version alone, by the same rules.
`registry.callers.walk` reads all pages.
"""
