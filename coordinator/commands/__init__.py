"""The commands of maintainers, and the settings files of everybody.

`service` is `coordinator …`, `round` is `round …`, `demo` a whole federation; `files` writes task, node and round files
(`init`) and says what they would do (`check`).
"""
