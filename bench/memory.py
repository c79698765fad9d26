"""Memory of all processes together: idle, after the demo, and during a training on 1,000,000 x 20.

    python -m bench.memory [--rows 1000000] [--columns 20]

Resident memory is the proportional set size, so that pages shared between processes count once.
"""

from __future__ import annotations

import argparse
import tempfile
import threading
import time
from pathlib import Path
from typing import Self

from bench.server import serving


def tree_megabytes(root: int) -> float:
    """Return the proportional memory, in MB, of a process and all its descendants."""
    parents: dict[int, int] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parents[int(entry.name)] = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            except (OSError, ValueError):
                continue
    wanted = {root}
    while grown := {pid for pid, parent in parents.items() if parent in wanted} - wanted:
        wanted |= grown
    total = 0
    for pid in wanted:
        try:
            lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
        except OSError:
            continue
        total += sum(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
    return total / 1024


class Peak:
    """Watches a process tree and keeps the largest figure."""

    def __init__(self, root: int) -> None:
        self.largest = 0.0
        self._root, self._end = root, threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._end.wait(0.5):
            self.largest = max(self.largest, tree_megabytes(self._root))


def main() -> None:
    """Measure the three states on one server."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--columns", type=int, default=20)
    parser.add_argument("--demo", type=int, default=20_000)
    chosen = parser.parse_args()
    from retainstream.ml.datagen import generate_streaming_customers, generate_wide

    with (
        tempfile.TemporaryDirectory() as folder,
        serving(RETAINSTREAM_IMPORT_MAX_MB="2000", RETAINSTREAM_TRAIN_TRIALS="5") as (api, _, pid),
    ):
        time.sleep(3)
        print(f"idle: {tree_megabytes(pid):.0f} MB")
        table = Path(folder) / "table.csv"
        generate_streaming_customers(chosen.demo, random_state=0).to_csv(table, index=False)
        with Peak(pid) as peak:
            _train(api, table)
        print(
            f"import, training and scoring of {chosen.demo:,}: peak {peak.largest:.0f} MB; afterwards {tree_megabytes(pid):.0f} MB"
        )
    with (
        tempfile.TemporaryDirectory() as folder,
        serving(RETAINSTREAM_IMPORT_MAX_MB="2000", RETAINSTREAM_TRAIN_TRIALS="5") as (api, _, pid),
    ):
        table = Path(folder) / "wide.csv"
        generate_wide(chosen.rows, chosen.columns, random_state=0).to_csv(table, index=False)
        print(f"file of {chosen.rows:,} x {chosen.columns}: {table.stat().st_size / 2**20:.0f} MB")
        with Peak(pid) as peak:
            _, answer = api.upload("/customers/import", table)
            state = api.follow(answer["job"])["state"]
        print(f"import {state}: peak {peak.largest:.0f} MB")
        with Peak(pid) as peak:
            _, answer = api.call("POST", "/model/train", {"score": False})
            state = api.follow(answer["job"])["state"]
        print(f"training {state}: peak {peak.largest:.0f} MB of all processes (aim 2,048)")


def _train(api: object, table: Path) -> None:
    from bench.server import Api

    assert isinstance(api, Api)
    _, answer = api.upload("/customers/import", table)
    api.follow(answer["job"])
    _, answer = api.call("POST", "/model/train", {})
    api.follow(answer["job"])
    _, listing = api.call("GET", "/jobs?kind=score")
    for job in listing["items"]:
        api.follow(job)


if __name__ == "__main__":
    main()
