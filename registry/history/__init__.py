"""The read side: one module for each question about versions, and the watcher of the log.

`log`, `queries` (show), `lineage`, `composition`, `diff`, `ranking` (best), `contributors`, `submissions` and
`portable` answer; `admission` says what was checked of a version. `watching` follows the log.
"""
