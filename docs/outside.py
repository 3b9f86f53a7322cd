"""Hooks of the site's build: pages that stand elsewhere in the repository become pages of the site.

A link in a page is relative to the file in the repository, so that it works there too. The site has the
pages of `docs/` at its root, everything else under its own path.
"""

from __future__ import annotations

import posixpath
import re
from pathlib import Path
from typing import Any

from properdocs.structure.files import File, Files

ROOT = Path(__file__).resolve().parents[1]
OUTSIDE = ("CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md", "models/README.md", "lab/*")
LINK = re.compile(r"(\]\()(?!\w+:|#)([^)#\s]+)")


def on_files(files: Files, config: Any) -> Files:
    """Return the site's files with the pages and pictures outside of `docs/`, and the pictures they show."""
    for pattern in (*OUTSIDE, "models/*.png", "models/*.jsonl", "models/LICENSE"):
        for path in sorted(ROOT.glob(pattern)):
            name = path.relative_to(ROOT).as_posix()
            files.append(File.generated(config, name, abs_src_path=str(path)))
    return files


def on_page_markdown(markdown: str, page: Any, config: Any, files: Files) -> str:
    """Return a page whose links between `docs/` and the rest of the repository fit the site's folders."""
    uri = page.file.src_uri
    inside = not (ROOT / uri).exists()
    here = posixpath.dirname(f"docs/{uri}" if inside else uri)

    def moved(link: re.Match[str]) -> str:
        target = posixpath.normpath(posixpath.join(here, link[2]))
        on_site = target.removeprefix("docs/")
        return link[1] + posixpath.relpath(on_site, posixpath.dirname(uri) or ".")

    return LINK.sub(moved, markdown)
