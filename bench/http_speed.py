"""HTTP: `GET /dashboard/metrics` and a single prediction with reasons, against a bare Flask route under the same gunicorn.

    python -m bench.http_speed [--customers 100000] [--requests 2000]

The bare route runs in a gunicorn of its own with the same workers, threads and client, once while the product idles and once while it trains; both are then
under the same load. Figures are medians of one keep-alive connection, and requests per second of four.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from bench.server import Api, free_port, serving

BARE = """
from flask import Flask, jsonify
app = Flask(__name__)
@app.get("/bare")
def bare():
    return jsonify(ok=True)
"""


@contextlib.contextmanager
def bare_server() -> Iterator[Api]:
    """Serve one Flask route that does nothing."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "bare.py").write_text(BARE)
        port = free_port()
        command = [
            sys.executable,
            "-m",
            "gunicorn",
            "--chdir",
            folder,
            "-k",
            "gthread",
            "-w",
            "2",
            "--threads",
            "4",
            "-b",
            f"127.0.0.1:{port}",
        ]
        process = subprocess.Popen(
            [*command, "--no-control-socket", "--log-level", "error", "bare:app"], start_new_session=True
        )
        try:
            for _ in range(100):
                with contextlib.suppress(OSError):
                    if Api(port).raw("GET", "/bare")[0] == 200:
                        break
                time.sleep(0.1)
            yield Api(port)
        finally:
            os.killpg(process.pid, signal.SIGTERM)
            process.wait(20)


def latency_ms(send: Callable[[], tuple[int, bytes]], requests: int) -> float:
    """Return the median time of a request on one connection, after a warm-up."""
    for _ in range(min(50, requests)):
        send()
    taken = []
    for _ in range(requests):
        started = time.perf_counter()
        status, _ = send()
        taken.append(time.perf_counter() - started)
        if status != 200:
            raise RuntimeError(f"a request answered {status}")
    return statistics.median(taken) * 1000


def throughput(make: Callable[[], Callable[[], object]], requests: int, connections: int = 4) -> float:
    """Return requests per second over several connections."""

    def work() -> None:
        send = make()
        for _ in range(requests // connections):
            send()

    threads = [threading.Thread(target=work) for _ in range(connections)]
    started = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return requests / (time.perf_counter() - started)


def compare(api: Api, bare: Api, requests: int, when: str) -> None:
    """Print the metrics route beside the bare one, in alternating rounds."""

    def ours() -> Callable[[], object]:
        own = Api(api.port, api.token)
        return lambda: own.raw("GET", "/api/v1/dashboard/metrics")

    def limit() -> Callable[[], object]:
        own = Api(bare.port)
        return lambda: own.raw("GET", "/bare")

    rounds = [(throughput(ours, requests), throughput(limit, requests)) for _ in range(3)]
    mine, theirs = statistics.median(r[0] for r in rounds), statistics.median(r[1] for r in rounds)
    slow = latency_ms(lambda: api.raw("GET", "/api/v1/dashboard/metrics"), requests // 4)
    quick = latency_ms(lambda: bare.raw("GET", "/bare"), requests // 4)
    print(
        f"metrics, {when}: {mine:.0f} requests/s against {theirs:.0f} of a bare route: ratio {mine / theirs:.2f} (aim 0.5)"
    )
    print(f"metrics, {when}: median {slow:.2f} ms against {quick:.2f} ms: ratio {quick / slow:.2f}")


def predictions(api: Api, requests: int) -> None:
    """Print the median of a prediction by features, with reasons."""
    _, listing = api.call("GET", "/customers?limit=1")
    _, customer = api.call("GET", f"/customers/{listing['items'][0]['user_id']}")
    values = {
        item["name"]: item["value"] for item in customer["attributes"] if item["feature"] and item["kind"] != "date"
    }
    body = json.dumps({"features": values}).encode()
    headers = {"Content-Type": "application/json"}
    print(
        f"single prediction with reasons: median {latency_ms(lambda: api.raw('POST', '/api/v1/predictions/predict', body, headers), requests):.2f} ms (aim 5 ms)"
    )


def main() -> None:
    """Load customers, train, and compare."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--customers", type=int, default=100_000)
    parser.add_argument("--requests", type=int, default=2_000)
    chosen = parser.parse_args()
    from retainstream.ml.datagen import generate_streaming_customers

    with (
        tempfile.TemporaryDirectory() as folder,
        serving(RETAINSTREAM_TRAIN_TRIALS="5") as (api, _, _),
        bare_server() as bare,
    ):
        table = Path(folder) / "customers.csv"
        generate_streaming_customers(chosen.customers, random_state=0).to_csv(table, index=False)
        _, answer = api.upload("/customers/import", table)
        print("import:", api.follow(answer["job"])["state"])
        _, answer = api.call("POST", "/model/train", {})
        print("training:", api.follow(answer["job"])["state"])
        _, listing = api.call("GET", "/jobs?kind=score")
        print("scoring:", [api.follow(job)["state"] for job in listing["items"]])
        compare(api, bare, chosen.requests, "idle")
        predictions(api, chosen.requests // 4)
        _, answer = api.call("POST", "/model/train", {"trials": 100, "promote": False})
        time.sleep(5)
        compare(api, bare, chosen.requests, "while training")
        api.call("DELETE", f"/jobs/{answer['job']['id']}")


if __name__ == "__main__":
    main()
