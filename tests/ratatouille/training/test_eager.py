"""A process that computes by the profile has no compiler of torch in memory, until it asks for it."""

from __future__ import annotations

import subprocess
import sys

PROGRAM = """
import sys
from ratatouille.training import numerics
numerics.apply()
import ratatouille.training.answer  # with it timm and torchvision
import timm, torch
assert torch.are_deterministic_algorithms_enabled()
assert torch.compiler.disable(recursive=False)(len) is len
network = timm.create_model("test_resnet", num_classes=4)
optimiser = torch.optim.Adam(network.parameters(), fused=True)
optimiser.zero_grad(set_to_none=True)
network(torch.zeros(2, 3, 32, 32)).sum().backward()
optimiser.step()
assert not {"sympy", "torch._inductor"} & set(sys.modules), "the compiler is imported"
import torch._dynamo.config
assert not torch._dynamo.config.disable
assert torch.compile(lambda numbers: numbers + 1, backend="eager")(torch.ones(1)).item() == 2
assert torch._dynamo.utils.is_compile_supported.__module__ == "torch._dynamo.utils"
assert torch._dynamo.__file__.endswith("__init__.py")
"""


def test_training_needs_no_compiler_and_the_compiler_is_there_when_it_is_needed() -> None:
    ended = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stderr) == (0, "")
