"""The commands of contributors: `node …` and `foundation`."""
