"""The audit, `verify --all`: every row and byte of a registry is checked, page by page, while it is in use.

`stages` lists what is looked at and in which order, and cuts the walk into pages that say where the next one begins. So
an audit needs no memory on the registry's side, no transaction that stays open, and no call that takes long. `tables`,
`signed_records`, `versions` and `weights` each check one kind of thing with the functions of `checking`.
`registry.commands.verify` reads all pages.
"""
