"""The read side: one module for each question about versions, and the log of events.

`revisions` finds the version that people mean. `log`, `queries` (show), `lineage`, `composition`, `diff`, `ranking`
(best), `contributors` and `verify` answer; `chronicle` is the log of events and rounds, `watching` follows it.
`scores` are the sums that `ranking` looks at, `statistics` says how sure counts are.
"""
