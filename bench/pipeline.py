"""The whole way of a box, from files to a night's scores, each step in a process of its own: seconds, peak memory, and how both grow.

    python -m bench.pipeline [--customers 100000] [--events 10000000] [--sizes 0.1 1] [--keep FOLDER]

A simulated service is written to files and loaded by the commands that an owner uses; then history is read, a panel built, a model trained,
everybody scored, and one past day replayed. Beside them stand limits, measured on the very rows of the same run: `executemany` into a table with
the same indices, one read of the events by a bare cursor, `xgboost.train` on the train window, and `Booster.predict` of the scored customers.

With `--keep`, boxes and figures stay in a folder, and what is done there is not done again: a run that was stopped goes on where it was, and
`--sizes 0.1` and later `--sizes 1` make one report.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

from bench import pipeline_steps as steps
from bench.memory import Peak
from bench.panel import peak_mib
from bench.pipeline_steps import Figures

STEPS: dict[str, tuple[str, Callable[[Path], Figures]]] = {
    "customers": ("load customers", steps.file_loaded("import", "customers.csv")),
    "subscriptions": ("load subscriptions", steps.file_loaded("import-subscriptions", "subscriptions.csv")),
    "events": ("load events", steps.file_loaded("import-events", "events.csv")),
    "define": ("define churn", steps.define),
    "floors": ("limits of reading and writing", steps.floors),
    "cold": ("history, nothing in the cache", lambda folder: steps.history(folder, cold=True)),
    "warm": ("history, all in the cache", lambda folder: steps.history(folder, cold=False)),
    "train": ("training job", steps.train),
    "first": ("scoring job, the first", steps.score),
    "night": ("scoring job, every night", steps.score),
    "replay": ("replay of a day", steps.replayed),
    "panel": ("panel alone", steps.panel),
    "sizes": ("sizes", steps.sizes),
}


def one_step(name: str, folder: Path) -> None:
    """Do one step in this process and print its figures as JSON."""
    warnings.filterwarnings("ignore", module="apispec")
    import optuna  # noqa: F401 - what every step may need is there before the clock runs
    import pandas as pd  # noqa: F401
    import sklearn.isotonic  # noqa: F401
    import xgboost  # noqa: F401

    from retainstream.app import create_app
    from retainstream.config import Settings

    settings = Settings(
        instance=str(folder / "instance"), jobs=False, log_level="error", import_max_mb=20_000, import_max_rows=100_000_000,
        import_max_unpacked_mb=40_000,
    )  # fmt: skip
    app = create_app(settings)
    with app.app_context():
        figures = STEPS[name][1](folder)
    print(json.dumps({**figures, "peak_mib": peak_mib()}, default=str))


def measured(folder: Path, size: float, customers: int, events: int) -> dict[str, Figures]:
    """Do what is not done yet in a folder, each step in a process of its own, and return all figures."""
    kept = folder / "figures.json"
    found: dict[str, Figures] = json.loads(kept.read_text()) if kept.exists() else {}
    (folder / "instance").mkdir(parents=True, exist_ok=True)
    for name in ("write", *STEPS):
        if name in found:
            continue
        if name == "write":
            found[name] = steps.write(folder, int(customers * size), int(events * size))
        else:
            found[name] = _in_a_process(name, folder)
        print(f"{size:g}: {name} {found[name]['seconds']:.1f} s", file=sys.stderr, flush=True)
        kept.write_text(json.dumps(found, indent=1))
    return found


def _in_a_process(name: str, folder: Path) -> Figures:
    process = subprocess.Popen(
        [sys.executable, "-m", "bench.pipeline", "--step", name, "--keep", str(folder)], stdout=subprocess.PIPE, text=True,
        env={**os.environ, "OMP_WAIT_POLICY": "PASSIVE"},
    )  # fmt: skip
    with Peak(process.pid) as peak:
        said, _ = process.communicate()
    if process.returncode:
        raise SystemExit(f"the step {name} failed")
    figures: Figures = json.loads(said.splitlines()[-1])
    return {**figures, "tree_mb": peak.largest, "load": os.getloadavg()[0]}


LIMITS = {
    "events": ("bare executemany", "floors", "write"),
    "cold": ("one bare read of the events", "floors", "read"),
    "warm": ("one bare read of the events", "floors", "read"),
    "panel": ("one bare read of the events", "floors", "read"),
    "train": ("bare xgboost.train", "panel", "train"),
    "first": ("bare predict", "panel", "predict"),
    "night": ("bare predict", "panel", "predict"),
    "replay": ("bare predict", "panel", "predict"),
}
"""For a step that has one: what its limit is, in which step it was measured, and under which name."""
UNTOLD = ("define", "floors", "sizes")


def lines_of(found: dict[str, Figures]) -> Iterator[str]:
    """Write the table of one size."""
    wrote, made, kept, n = found["write"], found["panel"], found["sizes"], found["write"]["events"]
    yield (
        f"{wrote['customers']:,} customers, {n:,} events; panel of {made['rows']:,} rows ({made['dates']} dates, "
        f"{made['features']} features), {made['train_rows']:,} to learn from; {found['night']['scored']:,} scored"
    )
    yield f"  {'step':31}{'wall s':>8}{'CPU s':>8}{'peak MiB':>9}{'load':>5}   of CPU, times the limit"
    for name, (title, _) in STEPS.items():
        if name in UNTOLD:
            continue
        told, against = found[name], ""
        if name in LIMITS:
            what, step, short = LIMITS[name]
            limit = found[step][f"{short}_cpu"]
            against = f"{told['cpu'] / limit:,.1f} x {what} ({limit:.2f} s)"
        peak = told.get("peak_at_panel", told["peak_mib"])
        yield f"  {title:31}{told['seconds']:8.1f}{told['cpu']:8.1f}{peak:9.0f}{told['load']:5.0f}   {against}"
    phases = ", ".join(f"{name} {took:.0f} s" for name, took in found["train"]["phases"].items())
    yield (
        f"  per event: file {wrote['file_bytes'] / n:.0f} bytes, database {kept['database'] / n:.0f}, column cache "
        f"{kept['cache'] / n:.0f}; {n / found['events']['cpu']:,.0f} events a CPU second loaded; phases of training: {phases}"
    )


def growth(small: dict[str, Figures], big: dict[str, Figures]) -> Iterator[str]:
    """Write how the figures of each step grow from one size to the other."""
    times = big["write"]["events"] / small["write"]["events"]
    yield f"with {times:.1f} times the events, so many times the CPU (wall, memory):"
    for name, (title, _) in STEPS.items():
        if name not in UNTOLD:
            cpu, wall, peak = (big[name][key] / max(small[name][key], 1e-9) for key in ("cpu", "seconds", "peak_mib"))
            yield f"  {title:31}{cpu:6.1f} ({wall:.1f}, {peak:.1f})"


def main() -> None:
    """Measure each size, or do one step of one."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--customers", type=int, default=100_000)
    parser.add_argument("--events", type=int, default=10_000_000)
    parser.add_argument("--sizes", type=float, nargs="*", default=[0.1, 1.0])
    parser.add_argument(
        "--keep", type=Path, help="folder in which boxes and figures stay; a fresh one that is removed by default"
    )
    parser.add_argument("--step", choices=list(STEPS), help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.step:
        one_step(asked.step, asked.keep)
        return
    with ExitStack() as stack:
        base = asked.keep or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        shown = [measured(base / f"{size:g}", size, asked.customers, asked.events) for size in asked.sizes]
        for found in shown:
            print("\n".join(lines_of(found)))
        if len(shown) > 1:
            print("\n".join(growth(shown[0], shown[-1])))


if __name__ == "__main__":
    main()
