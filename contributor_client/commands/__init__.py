"""The commands of contributors: `node …`, `foundation`, `pull`, `evaluate` and `best`."""
