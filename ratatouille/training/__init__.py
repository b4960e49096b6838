"""Training, probing and evaluation: from weights and data to better weights. The only room that imports torch.

- `numerics` has the profiles in which numbers are computed; every entry point applies one first.
- `network` makes timm's featurizers and our head; `foundation` reads the weights that all runs start from.
- `batches` and `augment` make training batches, `fine_tune` is the one loop around them, `keeps` says what a run
  returns, `run_files` has the checkpoint that lets a killed run go on.
- `probe` fits a head on frozen features; `evaluate` counts confusion matrices, `compare` those of several networks.
- `perform` does any assignment from files to files; `answer` wraps it in lease, receipt and push, for workers and
  rehearsals alike. `preflight` and `timing` try a device before work comes.
- `loaded`, `export`, `agreement` and `own_data` use versions outside of rounds.
"""
