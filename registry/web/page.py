"""A page before it is answered: which template, and the view that it shows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ratatouille.record import Record


@dataclass(frozen=True)
class Page:
    """What a page function returns."""

    template: str
    view: Record
    """What the page says; answered as it is to those who ask for JSON."""
    drawn: Mapping[str, Any] = field(default_factory=dict)
    """Pictures and forms that only the template needs."""
