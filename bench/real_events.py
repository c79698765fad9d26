"""Real event files through the product's own doors: load by HTTP, take the proposed definition, train, score, and hold the model against simpler scores.

    python -m bench.real_events FILE ...

Each file gets an empty server, and no hint but what its name says: `collegemsg.txt` holds messages, `cdnow_master.txt` and `online_retail.csv.gz` are
orders; `--target orders` or `--target events --kind login` tells what another one is. The comparisons of `alive` are made on the very rows that the
report judged. The data are not part of the project: without files, those of the folder that RETAINSTREAM_TEST_DATA names are taken.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from bench.__main__ import NO_DATA
from bench.alive import PURCHASE, TestRows, compare, repeat_buying, test_rows
from bench.server import ROOT, Api, serving
from retainstream.ml.report import Estimate

HINTS: dict[str, tuple[str, dict[str, str]]] = {
    "collegemsg.txt": ("events", {"kind": "message"}),
    "cdnow_master.txt": ("orders", {}),
    "online_retail.csv.gz": ("orders", {}),
}
CAPACITIES = (0.05, 0.1, 0.2)
RIVALS = ("base_rate", "recency", "logistic_regression", "random_forest")


class Refused(Exception):
    """The product said no; the message is its own sentence."""


def load(api: Api, file: Path, target: str, hints: dict[str, str]) -> dict[str, Any]:
    """Preview and load a file, printing what the product says of it; return the counts."""
    status, seen = api.upload(f"/{target}/import", file, dry_run="true", **hints)
    _expect(status, 200, seen)
    for warning in seen["warnings"]:
        if warning["severity"] != "info":
            print(f"  {warning['severity']} {warning['code']}: {warning['message']}")
    started = time.monotonic()
    status, answer = api.upload(f"/{target}/import", file, **hints)
    _expect(status, 202, answer)
    counts: dict[str, Any] = _done(api, answer)["counts"]
    print(f"  loaded in {time.monotonic() - started:.0f} s: {_pairs(counts)}")
    return counts


def define(api: Api) -> dict[str, Any]:
    """Ask for a proposal, print it, and create the definition exactly as proposed; return the proposal."""
    started = time.monotonic()
    status, found = api.call("POST", "/churn-definitions/propose", {})
    _expect(status, 200, found)
    days = found["definition"].get("inactive_days")
    chosen = next(each for each in found["candidates"] if each["inactive_days"] == days)
    print(
        f"  proposed in {time.monotonic() - started:.1f} s: {found['definition']['name']}; {chosen['came_back']:.0%} came back after so long;"
        f" {chosen['rows']:,} rows on {chosen['dates']} dates ({chosen['training_dates']} to learn from), {chosen['churners']:,} churners"
    )
    for sentence in found["sentences"]:
        print(f"    {sentence}")
    status, made = api.call("POST", "/churn-definitions", found["definition"])
    _expect(status, 201, made)
    print(f"  definition: {made['sentence']}")
    return dict(found)


def train(api: Api) -> int:
    """Train with nothing but defaults, wait for the scores, and return the version in service."""
    started = time.monotonic()
    status, answer = api.call("POST", "/model/train", {})
    _expect(status, 202, answer)
    result = _done(api, answer)
    print(f"  trained in {time.monotonic() - started:.0f} s: {result['verdict']['message']}")
    if not result["servable"]:
        raise Refused(result["verdict"]["message"])
    _, listing = api.call("GET", "/jobs?kind=score")
    for job in listing["items"]:
        scored = _done(api, {"job": job})
        bands = ", ".join(f"{count:,} {name.replace('_', ' ')}" for name, count in scored["bands"].items())
        expected = "withheld" if scored["expected_churners"] is None else f"{scored['expected_churners']:,.0f}"
        print(f"  scored {scored['n_scored']:,} as of {scored['as_of'][:10]}: {bands}; expected churners {expected}")
    return int(result["model_version"])


def report(api: Api) -> None:
    """Print the report of the model in service."""
    status, found = api.call("GET", "/model/metrics")
    _expect(status, 200, found)
    forward, own = found["forward"], found["metrics"]["xgboost"]
    for window in forward["windows"]:
        print(
            f"  {window['name']:9} {window['first']} to {window['last']}: {len(window['dates'])} dates, {window['n']:,} rows of"
            f" {window['customers']:,} customers, {window['base_rate']:.1%} left"
        )
    gate = found["calibration"]
    print(
        f"  AUC {_told(own['auc'])}  log loss {_told(own['log_loss'])}  lift at 10% {_told(own['top_decile_lift'], 3)}"
    )
    print(
        f"  calibration ({gate['method']}): slope {_told(own['calibration_slope'], 3)} intercept {_told(own['calibration_intercept'], 3)}"
        f" ECE {_told(own['ece'], 3)}"
    )
    print(f"  gate {'passed' if gate['passed'] else 'not passed: ' + ' '.join(gate['reasons'])}")
    for point in forward["capacities"]:
        if point["share_reached"] in CAPACITIES:
            print(
                f"  reaching {point['share_reached']:.0%} ({point['reached']:,.0f}) finds {point['churners_found']:,.0f} churners,"
                f" {_told(point['share_churners'], 3)} of all"
            )
    for rival in found["rivals"]:
        if rival["name"] in RIVALS:
            print(
                f"  against {rival['title']}: AUC {rival['auc']['value']:.4f}, difference {_told(rival['auc_difference'])};"
                f" log loss difference {_told(rival['log_loss_difference'])}"
            )
    for careless in forward["random_splits"]:
        print(f"  a random split by {careless['by']} would have claimed AUC {careless['auc']:.4f}")
    print(f"  outside of its own Venn-Abers interval: {found['venn_abers']['share_outside']:.0%} of probabilities")
    for note in found["notes"]:
        print(f"  note: {note}")


def hold_against(rows: TestRows) -> None:
    """Print how recency and BG/NBD rank exactly the rows that the report judged."""
    others = {"days since the last activity, as they are": rows.recency}
    if PURCHASE in rows.history.events.kinds:
        found = repeat_buying(rows)
        for fit in found.fits:
            print(f"  BG/NBD: {fit}")
        others["BG/NBD's probability of being alive"] = -found.alive
        others[f"BG/NBD's chance of a purchase in {rows.inactive_days} days"] = -found.returns
    shared = np.unique(rows.margin, return_counts=True)[1].max() / len(rows.y)
    print(
        f"  {len(rows.y):,} test rows made again, AUC as reported; the commonest score is shared by {shared:.1%} of them"
    )
    for other in compare(rows, others):
        print(
            f"  against {other.title}: AUC {other.auc.value:.4f}, difference {_told(other.auc_difference)};"
            f" lift at 10% {other.lift.value:.3f}, difference {_told(other.lift_difference, 3)}"
        )


def reasons(api: Api, shown: int) -> None:
    """Print the first of the list with their reasons."""
    _, page = api.call("GET", f"/customers/high-risk?limit={shown}")
    print(f"  at high risk: {page['total']:,}")
    for item in page["items"]:
        chance = item["churn_probability"]
        told = f"rank {item['risk_percentile']:.1%}" if chance is None else f"{chance:.1%}"
        print(f"    {item['user_id'][:16]}: {told}, {item['risk_band'].replace('_', ' ')}")
        for reason in item["reasons"][:3]:
            print(f"      {reason['sentence']}")


def check(file: Path, target: str, hints: dict[str, str], shown: int) -> None:
    """Take one file from upload to reasons on a fresh server and print what came of it."""
    print(f"== {file.name}", flush=True)
    with serving() as (api, folder, _):
        try:
            load(api, file, target, hints)
            proposal = define(api)
            print(f"  history: {str(proposal['data_start'])[:10]} to {proposal['data_end'][:10]}")
            version = train(api)
            report(api)
            reasons(api, shown)
            hold_against(test_rows(folder, version))  # takes long, and the server lets go of an idle connection
        except Refused as said:
            print(f"  refused: {said}")


def _done(api: Api, answer: dict[str, Any]) -> dict[str, Any]:
    job = api.follow(answer["job"])
    if job["state"] != "succeeded":
        raise Refused(f"{job['kind']} {job['state']}: {(job['error'] or {}).get('message')}")
    result: dict[str, Any] = job["result"]
    return result


def _expect(status: int, wanted: int, answer: dict[str, Any]) -> None:
    if status != wanted:
        raise Refused(f"{status}: {answer.get('error', answer)}")


def _told(found: dict[str, Any] | Estimate, digits: int = 4) -> str:
    figures = (
        [found.value, found.low, found.high]
        if isinstance(found, Estimate)
        else [found[at] for at in ("value", "low", "high")]
    )
    value, low, high = ("-" if figure is None else f"{figure:.{digits}f}" for figure in figures)
    return f"{value} [{low}, {high}]"


def _pairs(counts: dict[str, Any]) -> str:
    return ", ".join(f"{name.replace('_', ' ')} {count:,}" for name, count in counts.items() if count)


def main() -> None:
    """Read the command line and check file after file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("files", nargs="*", type=Path)
    parser.add_argument("--target", choices=("events", "orders"))
    parser.add_argument("--kind")
    parser.add_argument("--shown", type=int, default=3)
    chosen = parser.parse_args()
    folder = Path(os.environ.get("RETAINSTREAM_TEST_DATA", ROOT.parent / "shared" / "data"))
    files = chosen.files or [folder / name for name in HINTS]
    if not any(file.is_file() for file in files):
        print("none of the files is here; RETAINSTREAM_TEST_DATA may name the folder of the real data")
        sys.exit(NO_DATA)
    for file in files:
        if not file.is_file():
            print(f"== {file.name}\n  is not here; RETAINSTREAM_TEST_DATA may name the folder of the real data")
            continue
        target, hints = HINTS.get(file.name, ("events", {}))
        hints = {**hints, **({"kind": chosen.kind} if chosen.kind else {})}
        check(file, chosen.target or target, hints, chosen.shown)


if __name__ == "__main__":
    main()
