"""Backups: a registry as a folder of plain files, the same for every kind of database and store.

`folder` says what lies where: each table as JSON lines, weights by digest, and the manifest itself, which is replaced
last, so that a folder always holds one whole backup. `save` makes it while the registry is in use: rows are one state
of the database, and what that state needs is claimed until it is copied. `restore` puts it into an empty registry.
`folder` copies the weights, and `rows` the tables.
"""
