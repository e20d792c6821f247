"""What ``shardlane demo`` does with its command line and its outcome."""

from __future__ import annotations

import asyncio
import json
import shutil
import sys

from shardlane.exceptions import ShardlaneError

from . import render_html, render_text, verdict
from .options import parse
from .progress import showing
from .run import run
from .visit import DemoError

EXIT_FAILED = 1
EXIT_INTERRUPTED = 130


def main(argv: list[str]) -> int:
    """Run the demo.

    Args:
        argv: the arguments after ``shardlane demo``.

    Returns:
        The exit code: 0 if every value was right and every way did what it must.
    """
    options = parse(argv)
    try:
        with showing(quiet=options.quiet) as progress:
            result = asyncio.run(run(options, progress))
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return EXIT_INTERRUPTED
    except (DemoError, ShardlaneError, OSError) as error:
        print(f"the demo failed: {error}", file=sys.stderr)
        return EXIT_FAILED

    if options.json:
        print(json.dumps(result.to_json(), indent=2))
    else:
        style = render_text.Style.of(sys.stdout)
        print(render_text.render(result, style, shutil.get_terminal_size((100, 24)).columns))
    if options.html is not None:
        try:
            options.html.write_text(render_html.render(result), encoding="utf-8")
        except OSError as error:
            print(f"the page could not be written: {error}", file=sys.stderr)
            return EXIT_FAILED
        print(f"the page is at {options.html}", file=sys.stderr)

    failed = verdict.failures(result)
    for failure in failed:
        print(f"FAILED  {failure}", file=sys.stderr)
    return EXIT_FAILED if failed else 0
