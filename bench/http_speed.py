"""HTTP: `GET /dashboard/metrics` and a single prediction with reasons, against a bare Flask route under the same gunicorn.

    python -m bench.http_speed [--customers 100000] [--requests 2000]

The bare route runs in a gunicorn of its own with the same workers, threads and client, once while the product idles and once while it trains; both are then
under the same load. Figures are medians of one keep-alive connection, and requests per second of eight.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from bench.server import Api, free_port, serving

BARE = """
from flask import Flask, jsonify
app = Flask(__name__)
@app.get("/bare")
def bare():
    return jsonify(ok=True)
"""
SETTINGS = """
bind = "127.0.0.1:{port}"
worker_class = "gthread"
workers = 2
threads = 4
keepalive = 5
control_socket_disable = True
loglevel = "warning"
"""


class Line:
    """One keep-alive connection that sends prepared bytes: the client shares the cores with the servers, so it must cost little."""

    def __init__(self, port: int, path: str, token: str | None = None, body: bytes | None = None) -> None:
        headers = [f"{'GET' if body is None else 'POST'} {path} HTTP/1.1", f"Host: 127.0.0.1:{port}"]
        if token:
            headers.append(f"Authorization: Bearer {token}")
        if body is not None:
            headers += ["Content-Type: application/json", f"Content-Length: {len(body)}"]
        self._request = "\r\n".join([*headers, "", ""]).encode() + (body or b"")
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=60)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def send(self) -> bytes:
        """Send the request and return the body of the answer; raises RuntimeError unless the status is 200."""
        self._socket.sendall(self._request)
        data = b""
        while b"\r\n\r\n" not in data:
            data += self._more()
        head, _, body = data.partition(b"\r\n\r\n")
        if not head.startswith(b"HTTP/1.1 200 "):
            raise RuntimeError(f"a request was answered {head[:60]!r}")
        length = int(head.lower().split(b"\r\ncontent-length:", 1)[1].split(b"\r\n", 1)[0])
        while len(body) < length:
            body += self._more()
        return body

    def _more(self) -> bytes:
        part = self._socket.recv(65536)
        if not part:
            raise RuntimeError("the server closed the connection")
        return part


@contextlib.contextmanager
def bare_server() -> Iterator[int]:
    """Serve one Flask route that does nothing with the workers and threads of the product's gunicorn.conf.py; yield its port."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "bare.py").write_text(BARE)
        port = free_port()
        # Without --config it would find the product's settings, hooks and all, in the current folder.
        (Path(folder) / "settings.py").write_text(SETTINGS.format(port=port))
        process = subprocess.Popen(
            [sys.executable, "-m", "gunicorn", "--config", "settings.py", "bare:app"],
            cwd=folder,
            start_new_session=True,
        )
        try:
            for _ in range(100):
                with contextlib.suppress(OSError, RuntimeError):
                    Line(port, "/bare").send()
                    break
                time.sleep(0.1)
            else:
                raise RuntimeError("the bare server does not answer")
            yield port
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(20)


def latency_ms(line: Line, requests: int) -> float:
    """Return the median time of a request on one connection, after a warm-up."""
    for _ in range(min(50, requests)):
        line.send()
    taken = []
    for _ in range(requests):
        started = time.perf_counter()
        line.send()
        taken.append(time.perf_counter() - started)
    return statistics.median(taken) * 1000


def throughput(make: Callable[[], Line], requests: int, connections: int = 8) -> float:
    """Return requests per second over several connections, enough for both workers to get some; a failed request ends the measurement."""

    def work(line: Line) -> None:
        for _ in range(requests // connections):
            line.send()

    lines = [make() for _ in range(connections)]
    with ThreadPoolExecutor(connections) as pool:
        started = time.perf_counter()
        for done in [pool.submit(work, line) for line in lines]:
            done.result()
        return requests / (time.perf_counter() - started)


def compare(api: Api, bare: int, requests: int, when: str) -> None:
    """Print the metrics route beside the bare one, in alternating rounds."""

    def ours() -> Line:
        return Line(api.port, "/api/v1/dashboard/metrics", api.token)

    def limit() -> Line:
        return Line(bare, "/bare")

    for make in (ours, limit):
        throughput(make, requests // 4)
    rounds = [(throughput(ours, requests), throughput(limit, requests)) for _ in range(5)]
    mine, theirs = statistics.median(r[0] for r in rounds), statistics.median(r[1] for r in rounds)
    slow, quick = latency_ms(ours(), requests // 4), latency_ms(limit(), requests // 4)
    print(
        f"metrics, {when}: {mine:.0f} requests/s against {theirs:.0f} of a bare route: ratio {mine / theirs:.2f} (aim 0.5)"
    )
    print(f"metrics, {when}: median {slow:.2f} ms against {quick:.2f} ms: ratio {quick / slow:.2f}", flush=True)


def predictions(api: Api, requests: int) -> None:
    """Print the median of a prediction by features, with reasons."""
    api = Api(api.port, api.token)  # the server has closed a connection that was idle for five seconds
    _, listing = api.call("GET", "/customers?limit=1")
    _, customer = api.call("GET", f"/customers/{listing['items'][0]['user_id']}")
    values = {
        item["name"]: item["value"] for item in customer["attributes"] if item["feature"] and item["kind"] != "date"
    }
    body = json.dumps({"features": values}).encode()
    line = Line(api.port, "/api/v1/predictions/predict", api.token, body)
    reasons = json.loads(line.send())["reasons"]
    print(
        f"single prediction of {len(values)} features with {len(reasons)} reasons: median {latency_ms(line, requests):.2f} ms (aim 5 ms)",
        flush=True,
    )


def finished(api: Api, answer: dict[str, Any]) -> None:
    """Wait for a job and insist that it succeeded."""
    if "error" in answer and "state" not in answer:
        raise RuntimeError(f"the request was refused: {answer['error']}")
    job = api.follow(answer.get("job", answer))
    if job["state"] != "succeeded":
        raise RuntimeError(f"the {job['kind']} job ended {job['state']}: {job['error']}")
    print(job["kind"], job["state"], flush=True)


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
        finished(api, api.upload("/customers/import", table)[1])
        finished(api, api.call("POST", "/model/train", {})[1])
        for job in api.call("GET", "/jobs?kind=score")[1]["items"]:
            finished(api, job)
        compare(api, bare, chosen.requests, "idle")
        predictions(api, chosen.requests // 4)
        _, answer = Api(api.port, api.token).call("POST", "/model/train", {"trials": 100, "promote": False})
        time.sleep(5)
        compare(api, bare, chosen.requests, "while training")
        again = Api(api.port, api.token)
        state = again.call("GET", f"/jobs/{answer['job']['id']}")[1]["state"]
        if state != "running":
            raise RuntimeError(f"the training was {state} before the measurement under its load ended")
        again.call("DELETE", f"/jobs/{answer['job']['id']}")


if __name__ == "__main__":
    main()
