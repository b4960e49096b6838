"""Emoji in several drawing styles: real images of real classes that packages ship, with nothing to download by hand.

The same emoji drawn in another style is what the same object photographed in another domain is elsewhere, so these
tasks show distribution shift on a laptop. `catalogue` says what is recognised, where drawings come from and under which
licence; `drawing` how one is drawn, `tree` writes them as an ordinary folder.
"""

from ratatouille.tasks.emoji.catalogue import PYPI_STYLES, SOURCES, STYLES, TARGET, Source, emoji_tasks
from ratatouille.tasks.emoji.tree import write_emoji

__all__ = ["PYPI_STYLES", "SOURCES", "STYLES", "TARGET", "Source", "emoji_tasks", "write_emoji"]
