"""Runs every benchmark at its stated size and writes docs/benchmarks.md: `python -m bench`, or some of them by name: `python -m bench reasons http_speed`."""

from __future__ import annotations

import datetime as dt
import os
import platform
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "benchmarks.md"

ALL: dict[str, tuple[str, list[str]]] = {
    "training_speed": ("Training against the bare XGBoost call", []),
    "reasons": ("Reasons for everybody against `pred_contribs`", []),
    "champion_reasons": ("Reasons by the real champion", []),
    "matrix": ("SQLite to a matrix", []),
    "history": ("SQLite to columns of history", []),
    "import_table": ("Import against bare `read_csv` and `executemany`", []),
    "ingest": ("Events against a bare `executemany`", []),
    "event_files": ("A file of events through the door against a bare `executemany`", []),
    "http_speed": ("HTTP against a bare Flask route", []),
    "pages": ("Pages at 100,000 customers", []),
    "panel": ("Panels from events against reading the events once", []),
    "memory": ("Memory", []),
    "truth": ("Models against the truth of a simulated service", []),
    "real_events": ("Real files of events, as proposed", ["--shown", "0"]),
    "pipeline": ("The whole way, from files to a night's scores", []),
}


NO_DATA = 3
"""What a benchmark exits with when the real files that it needs are not there; its part of the page then stays as it was."""


def section(name: str) -> str | None:
    """Run one benchmark and return its part of the page; None when it had no data."""
    title, arguments = ALL[name]
    command = ["python", "-m", f"bench.{name}", *arguments]
    print(f"== {title}", flush=True)
    done = subprocess.run([sys.executable, *command[1:]], cwd=ROOT, capture_output=True, text=True, check=False)
    output = done.stdout.strip() or done.stderr.strip()[-2000:]
    print(output, flush=True)
    if done.returncode == NO_DATA:
        return None
    return f"<!-- {name} -->\n## {title}\n\n`{' '.join(command)}`, {dt.date.today():%Y-%m-%d}\n\n```\n{output}\n```\n<!-- end {name} -->\n"


def main() -> None:
    """Run what the command line names, or everything, and put each result in its place on the page."""
    chosen = sys.argv[1:] or list(ALL)
    unknown = [name for name in chosen if name not in ALL]
    if unknown:
        sys.exit(f"there is no benchmark {', '.join(unknown)}; there are {', '.join(ALL)}")
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    head = (
        "# Benchmarks\n\n"
        f"Machine: {os.cpu_count()} cores, {memory:.0f} GiB, Python {platform.python_version()}. Each figure is a ratio to a limit that is measured in the same run;\n"
        "machines are noisy, so look at the ratios. `make bench` makes this page anew.\n\n"
    )
    known = _sections(PAGE.read_text() if PAGE.exists() else "")
    for name in chosen:
        made = section(name)
        if made is not None:
            known[name] = made
        PAGE.write_text(head + "\n".join(known[item] for item in ALL if item in known))


def _sections(page: str) -> dict[str, str]:
    found = {}
    for name in ALL:
        start, end = f"<!-- {name} -->\n", f"<!-- end {name} -->\n"
        if start in page and end in page:
            found[name] = page[page.index(start) : page.index(end) + len(end)]
    return found


if __name__ == "__main__":
    main()
