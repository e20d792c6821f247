"""Sphinx configuration: Markdown pages, warnings are fatal (see `make docs`)."""

import re
from pathlib import Path

_PYPROJECT = (Path(__file__).parent.parent / "pyproject.toml").read_text(encoding="utf-8")
_VERSION = re.search(r'^version = "(.+)"$', _PYPROJECT, re.MULTILINE)
assert _VERSION is not None

project = "shardlane"
author = "the shardlane contributors"
project_copyright = author
release = version = _VERSION.group(1)

extensions = ["myst_parser"]
source_suffix = {".md": "markdown"}
exclude_patterns = ["_build"]
nitpicky = True

myst_enable_extensions = ["deflist"]
myst_heading_anchors = 3

html_theme = "furo"
html_title = f"shardlane {release}"
html_copy_source = False
html_show_sourcelink = False
