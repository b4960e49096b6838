"""The read side: every question about versions, each one module, and the log of what happened.

`revisions` finds the version that people mean. `log`, `queries` (show), `lineage`, `composition`, `diff`, `ranking`
(best), `contributors` and `verify` answer; `chronicle` is the log of events and rounds, `watching` follows it.
`scores` are the sums that `ranking` looks at, `statistics` says how sure counts are.
"""
