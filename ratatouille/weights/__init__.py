"""One network's tensors θ = (head w, featurizer φ): their form on disk, their digest, their algebra.

numpy and safetensors only, no torch, so that a registry can check and average weights where torch is absent. A *part*
is the head or the featurizer: the method swaps them, so each is stored, hashed and sent on its own. `architecture` says
which tensors a part has, `canonical` is the one file form, `intake` the gate for files from outside, `combine` averages
files in constant memory. `whole` puts parts together under timm's
names, and takes others' files apart (`container`).
"""
