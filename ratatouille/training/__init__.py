"""Training, probing and evaluation: from weights and data to better weights. The only room that imports torch.

- `numerics` is the one way in which numbers are computed; every entry point applies it first.
- `network` makes timm's featurizers and our head; `foundation` reads the weights that everybody starts from.
- `batches` and `augment` make training batches, `fine_tune` is the one loop around them, `keeps` says what a run
  returns, `run_files` has the checkpoint that lets a killed run go on.
- `probe` fits a head on frozen features; `evaluate` counts confusion matrices.
- `perform` does any assignment from files to files; `answer` wraps it in lease, receipt and push, for workers and
  rehearsals alike.
"""
