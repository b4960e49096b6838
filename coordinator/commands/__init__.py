"""The commands of maintainers, and `init` and `check` for the settings files of all roles.

`service` is `coordinator …`, `round` is `round …` with `running` and `follow`, `analyse`, `benchmark`, `duplicates` and
`demo` are commands of these names. `files` writes task, node and round files (`init`) and checks them (`check`), with
`checked` and `checked_node`.
"""
