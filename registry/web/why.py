"""Why a version is part of the history: what the registry checked before it took it, in sentences."""

from __future__ import annotations

from registry.records import Details


def why(details: Details) -> tuple[str, ...]:
    """The reasons, one sentence each."""
    entry = details.entry
    bytes_ = "Its weights have the digests above, the architecture's names and shapes, and no NaN or infinity."
    if entry.version.rule.name == "combine":
        return (
            "The registry made it from its parents where their bytes are, in float64 and in the order of digests.",
            "Anybody can make it again, to the bit: `ratatouille verify` does.",
        )
    signed = f"Its receipt is signed by key {entry.node[:10]}…." if entry.node else "Its receipt is signed."
    first = f"It is the first admitted answer to question {entry.work_id[:10]}…."
    if entry.version.rule.name == "import":
        return signed, "It was imported: where it comes from is stated, not proved.", bytes_
    return signed, first, bytes_, "Every buffer equals its start's, so that it can be averaged with others."
