"""The ledger: rows that several services read and write; it stands below them, since they do not import each other.

`chronicle` is the log of events and rounds, `signed` the list of signed changes (`releases`, `closures`, `restoring`).
`definitions` are architectures and tasks, `answers` the results of questions, `obligations` evaluations that are owed.
`claims` keep weights from being removed, and `removed` tells of what is gone. `revisions` finds the version that people
mean; `reach` and `affected` find the averages that a version is in.
"""
