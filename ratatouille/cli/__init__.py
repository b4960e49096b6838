"""The `ratatouille` command: a checked table of commands, each loaded when it is called.

`table` names every command with its place in the code, its summary and an example; `main` runs one and turns refusals
into one sentence and exit code 2; `output` has the options and the output that commands share. A command itself lives
with the package that does the work (`coordinator.commands`, `contributor_client.commands`, `registry.commands`), and
this package names it as text only, so that help stays quick and imports point one way.
"""
