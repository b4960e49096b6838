"""The ledger: rows that several services read and write; it stands below them, since they do not import each other.

`event_log` is the log of what happened, with the rounds; `signed_changes` is the list of signed changes, `releases` are
aliases and tags. `definitions` are architectures and tasks, `answers` the results of questions, `obligations`
evaluations and comparisons that are owed. `claims` keep weights from being removed. `revisions` finds the version that
people mean; `descendants` finds what comes from it.
"""
