"""The pages, and what the tests take from them: links, and blocks of code by language."""

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
TOP = [ROOT / name for name in ("README.md", "CHANGELOG.md", "CONTRIBUTING.md")]
PAGES = [*TOP, *sorted((ROOT / "docs").rglob("*.md"))]
ROOMS = ("ratatouille", "coordinator", "contributor_client", "registry", "docs", "benchmarks", "examples", "tests")
BY_NAME = {str(page.relative_to(ROOT)): page for page in PAGES}


@dataclass(frozen=True)
class Block:
    page: str
    line: int
    language: str
    text: str

    @property
    def where(self) -> str:
        return f"{self.page}:{self.line}"


def text_of(page: Path) -> str:
    return page.read_text(encoding="utf-8")


def sources() -> list[Path]:
    """Every Python file of the rooms."""
    return [path for room in ROOMS for path in sorted((ROOT / room).rglob("*.py"))]


def blocks(language: str) -> list[Block]:
    """Fenced blocks of one language, of all pages."""
    found = []
    for name, page in BY_NAME.items():
        text = text_of(page)
        for match in re.finditer(r"^```(\w*)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL):
            if match[1] == language:
                found.append(Block(name, text[: match.start()].count("\n") + 1, language, match[2]))
    return found


def links(page: Path) -> list[str]:
    """Targets of a page's links and images; code, and parts that still wait for a real run, are left out."""
    text = re.sub(r"^```.*?^```$|`[^`\n]*`", "", text_of(page), flags=re.MULTILINE | re.DOTALL)
    text = re.sub(r"<!-- (\w+):begin -->\s*<!-- placeholder.*?<!-- \1:end -->", "", text, flags=re.DOTALL)
    return re.findall(r"\]\(([^)\s]+)\)", text)


def anchors(page: Path) -> set[str]:
    """The anchors that GitHub gives to a page's headings."""
    headings = re.findall(r"^#+ (.+)$", text_of(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
