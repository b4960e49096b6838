"""One network's tensors θ = (head w, featurizer φ): their form on disk, their digest, their algebra.

numpy and safetensors only, no torch, so that a registry can check and average weights where torch is absent. A *part*
is the head or the featurizer: the method swaps them, so each is stored, hashed and sent on its own. `architecture` says
which tensors a part has, `canonical` is the one file form, `intake` checks files from outside. `combine` combines files
in constant memory, by a row of `methods`; `difference` compares two parts. `whole` puts parts together under timm's
names, and takes others' files (`container`) apart; `configuration` reads their config.json, which `compatibility`
compares with an architecture.
"""
