"""A measured part of a page of docs/, which its command writes anew and the text around it stays."""

from __future__ import annotations

import re
from pathlib import Path


def write(page: Path, name: str, text: str) -> None:
    """Put the text between the marks `<!-- measured: NAME -->` and `<!-- end -->`."""
    begin, end = f"<!-- measured: {name} -->\n", "<!-- end -->"
    old = page.read_text(encoding="utf-8")
    new, count = re.subn(
        f"({re.escape(begin)}).*?({end})", lambda found: found[1] + text + "\n" + found[2], old, flags=re.DOTALL
    )
    if count != 1:
        raise ValueError(f"{page}: {count} places for {name!r}; one `{begin.strip()}` ... `{end}` is needed")
    page.write_text(new, encoding="utf-8")
