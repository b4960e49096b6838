"""The model card of a pulled folder: what the version is, how it is used, what it was made from, how well it does.

Names, notes and labels are other people's words: they are escaped, so that they cannot become markup. What the licence
is, only the maintainers can say, so its line is left for them.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from ratatouille.cli.output import printable, short, when
from registry.exports.folders.pulled import STATEMENT, Statement
from registry.presentation.history import contributor, made_by, score_rows
from registry.presentation.scores import ScoreLine
from registry.records import Contribution, Entry

MOST_ROWS = 200
"""Of each table; who wants more asks the registry."""

_MARKUP = re.compile(r"(^[-+]|[\\`*_\[\]#!|~$<>&])")


@dataclass(frozen=True)
class CardFacts:
    """The facts of a card."""

    name: str
    """The folder's."""
    statement: Statement
    entry: Entry
    members: Sequence[Contribution]
    origins: Sequence[Entry]
    scores: Sequence[ScoreLine]


def card(facts: CardFacts) -> str:
    """The card as Markdown, with the YAML head that model hubs read."""
    parts = [_head(facts), _opening(facts), _use(facts), _classes(facts), _lineage(facts), _evaluations(facts)]
    return "\n".join([*parts, _digests(facts)])


def _head(facts: CardFacts) -> str:
    kind = "image-classification" if facts.statement.classes else "image-feature-extraction"
    return f"""\
---
library_name: timm
pipeline_tag: {kind}
# license: to be filled in by the maintainers, who know what images and start were licensed for
tags:
- {kind}
- timm
- model-ratatouille
---
"""


def _opening(facts: CardFacts) -> str:
    said, entry = facts.statement, facts.entry
    about = f"task {escaped(said.task.name)}" if said.task is not None else "no task: a featurizer alone"
    described = f"\n\n{escaped(said.task.description)}" if said.task is not None and said.task.description else ""
    names = f", released as {', '.join(map(escaped, entry.aliases))}" if entry.aliases else ""
    origin = f" from `{_code(said.registry)}`" if said.registry else ""
    return f"""\
# {escaped(facts.name)}

Version `{short(entry.id)}` of a shared model ({about}){names}; made by {made_by(entry)} on {when(entry.created)} UTC,
pulled{origin} on {when(said.pulled)} UTC. The network is timm's `{said.architecture.name}` on {said.image_size} ×
{said.image_size} pixels. It is a product of [Model Ratatouille](https://arxiv.org/abs/2212.10445): many fine-tunings,
averaged.{described}
"""


def _use(facts: CardFacts) -> str:
    said, folder = facts.statement, facts.name
    if said.layout == "parts":
        head = " and `head.safetensors`" if said.version.head is not None else ""
        return f"""\
## Use

`featurizer.safetensors`{head} are the parts as the registry keeps them: the names are timm's, the head is one linear
layer. With `pip install 'model-ratatouille[node]'`:

```python
{load_example(f"./{folder}")}```
"""
    example = timm_example(folder) if said.classes else features_example(folder)
    return f"""\
## Use

```python
{example}```

Images are squashed to a square and normalised; images with transparency go on white first.
`ratatouille.load({f"./{folder}"!r})` does all of that, and `ratatouille verify ./{folder}` checks the files.
"""


def _classes(facts: CardFacts) -> str:
    if not facts.statement.classes:
        return ""
    names = "\n".join(f"{number}. {escaped(name)}" for number, name in enumerate(facts.statement.classes))
    return f"## Classes\n\nIn the order of the outputs, from 0:\n\n{names}\n"


def _lineage(facts: CardFacts) -> str:
    rows = [
        (
            f"{100 * one.share:.3g} %",
            f"`{short(one.entry.id)}`",
            made_by(one.entry),
            escaped(one.entry.task_name or "–"),
            escaped(contributor(one.entry)),
        )
        for one in facts.members
    ]
    began = "\n".join(
        f"- `{short(entry.id)}` {made_by(entry)}: {escaped(entry.message) or '–'}"
        for entry in facts.origins[:MOST_ROWS]
    )
    table = _table(("share", "version", "made by", "task", "contributor"), rows)
    return f"""\
## Lineage

What it is an average of:

{table}
Where that began:

{began}

`ratatouille lineage {facts.entry.id}` shows every step between.
"""


def _evaluations(facts: CardFacts) -> str:
    if not facts.scores:
        return "## Evaluations\n\nNone was made yet.\n"
    rows = [
        (escaped(task), escaped(domain), split, slice_, f"{accuracy} ± {margin}", balanced, images)
        for task, domain, split, slice_, accuracy, margin, balanced, images, _ in score_rows(facts.scores)
    ]
    table = _table(("task", "domain", "split", "slice", "accuracy", "balanced accuracy", "images"), rows)
    return f"""\
## Evaluations

In percent, with 95 % intervals over images, counted where the images lie.

{table}"""


def _digests(facts: CardFacts) -> str:
    version = facts.statement.version
    head = f"\n- head `{version.head}`" if version.head else ""
    return f"""\
## Identity

- version `{facts.entry.id}`
- architecture `{version.architecture}`
- featurizer `{version.featurizer}`{head}

These are SHA-256; `{STATEMENT}` has the records that they are of, and the signed receipt.
"""


def _table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [columns, ["---"] * len(columns), *rows[:MOST_ROWS]]
    text = "".join(f"| {' | '.join(line)} |\n" for line in lines)
    return text + (f"\n… and {len(rows) - MOST_ROWS} more.\n" if len(rows) > MOST_ROWS else "")


def escaped(text: str) -> str:
    """Other people's words on one line of Markdown, without any markup."""
    return _MARKUP.sub(r"\\\1", _one_line(text)).replace("://", ":&#47;/")


def _code(text: str) -> str:
    return _one_line(text).replace("`", "'")


def _one_line(text: str) -> str:
    return " ".join(printable(text.replace("\n", " ")).split())


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
