"""The few lines that show how a version is used, for cards and pages: with `ratatouille.load`, and with timm alone."""

from __future__ import annotations


def load_example(revision: str, remote: str | None = None) -> str:
    """Python that loads a version from a registry and asks it about one image."""
    where = f", remote={remote!r}" if remote else ""
    return f"""\
import ratatouille

loaded = ratatouille.load({revision!r}{where})
(seen,) = loaded.predict("image.jpg")
print(seen.name, f"{{seen.share:.0%}}")
"""


def timm_example(folder: str) -> str:
    """Python that loads a pulled folder with timm alone and asks it about one image."""
    return f"""\
import timm
from PIL import Image

model = timm.create_model({f"local-dir:{folder}"!r}, pretrained=True).eval()
data = timm.data.resolve_model_data_config(model)
transform = timm.data.create_transform(**data)
image = Image.open("image.jpg").convert("RGB")
shares = model(transform(image).unsqueeze(0)).softmax(1)[0]
print(model.pretrained_cfg["label_names"][int(shares.argmax())], f"{{shares.max().item():.0%}}")
"""


def features_example(folder: str) -> str:
    """Python that loads a pulled featurizer with timm alone and gives an image's features."""
    return f"""\
import timm
from PIL import Image

model = timm.create_model({f"local-dir:{folder}"!r}, pretrained=True).eval()
data = timm.data.resolve_model_data_config(model)
image = Image.open("image.jpg").convert("RGB")
print(model(timm.data.create_transform(**data)(image).unsqueeze(0)).shape)
"""
