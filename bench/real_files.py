"""Real tables through the product's own doors: import by HTTP, train, score, list the customers at risk with their reasons.

    python -m bench.real_files FILE [FILE ...] [--confirm NAME ...]

Each file gets an empty server. What is refused is printed with its sentence. With --without-duplicates a copy of the file without exact duplicate rows is
used, as the published references for some tables do.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path
from typing import Any

from bench.server import Api, serving


def _metric(metrics: dict[str, Any], name: str) -> str:
    found = metrics.get(name) or {}
    if found.get("value") is None:
        return "-"
    return f"{found['value']:.4f} [{found['low']:.4f}, {found['high']:.4f}]"


def _load(api: Api, file: Path) -> dict[str, Any] | None:
    """Import a file, confirming what the product asks to have confirmed; print what it says."""
    status, answer = api.upload("/customers/import", file, dry_run="true")
    if status != 200:
        print(f"  refused ({status}): {answer['error']['message']}")
        return None
    for warning in answer["warnings"]:
        print(f"  warning {warning['code']}: {warning['message']}")
    status, answer = api.upload("/customers/import", file, on_error="skip")
    if status == 409:
        print(f"  stopped (409): {answer['error']['message']} Flipped.")
        status, answer = api.upload("/customers/import", file, on_error="skip", label="flip")
    if status != 202:
        print(f"  refused ({status}): {answer['error']['message']}")
        return None
    job = api.follow(answer["job"])
    print(f"  import {job['state']}: {(job['result'] or job['error'])}")
    return job if job["state"] == "succeeded" else None


def check(file: Path, shown: int) -> None:
    """Take one file from upload to reasons on a fresh server and print what came of it."""
    print(f"== {file.name}")
    with serving() as (api, _, _):
        if _load(api, file) is None:
            return
        started = time.monotonic()
        status, answer = api.call("POST", "/model/train", {})
        job = api.follow(answer["job"]) if status == 202 else {"state": "refused", "error": answer, "result": None}
        print(
            f"  training {job['state']} in {time.monotonic() - started:.0f} s: {(job['result'] or {}).get('verdict') or job['error']}"
        )
        _, listing = api.call("GET", "/jobs?kind=score")
        for scoring in listing["items"]:
            print(f"  scoring {api.follow(scoring)['state']}")
        _, metrics = api.call("GET", "/model/metrics")
        if "metrics" in metrics:
            found = metrics["metrics"]["xgboost"]
            print(f"  AUC {_metric(found, 'auc')}  log loss {_metric(found, 'log_loss')}  ECE {_metric(found, 'ece')}")
            for rival in metrics["rivals"]:
                print(f"  rival {rival['name']}: AUC difference {_metric(rival, 'auc_difference')}")
        _, page = api.call("GET", f"/customers/high-risk?limit={shown}")
        print(f"  high risk: {page['total']}")
        for item in page["items"]:
            reasons = " | ".join(reason["sentence"] for reason in item["reasons"][:3])
            chance = "withheld" if item["churn_probability"] is None else f"{item['churn_probability']:.3f}"
            print(
                f"    {item['user_id'][:16]:16} {chance:8} confidence {item['confidence']:.2f} {item['risk_band']:9} {reasons}"
            )


def without_duplicates(file: Path, folder: Path) -> Path:
    """Return a copy of a text table in which each line stands once."""
    lines = dict.fromkeys(file.read_bytes().splitlines(keepends=True))
    copy = folder / file.name
    copy.write_bytes(b"".join(lines))
    return copy


def main() -> None:
    """Read the command line and check file after file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("files", nargs="+", type=Path)
    parser.add_argument("--shown", type=int, default=3)
    parser.add_argument("--without-duplicates", action="store_true")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        for file in chosen.files:
            check(without_duplicates(file, Path(folder)) if chosen.without_duplicates else file, chosen.shown)


if __name__ == "__main__":
    main()
