"""A real server on a fresh instance folder, driven through HTTP as a script would: what the HTTP benchmarks and the real-file check share."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
EMAIL, PASSWORD = "bench@example.com", "correct horse 42 battery"


def free_port() -> int:
    """Return a loopback port that is free now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Api:
    """One keep-alive connection that is signed in."""

    def __init__(self, port: int, token: str | None = None) -> None:
        self.port, self.token = port, token
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=600)

    def raw(
        self, method: str, path: str, body: bytes | None = None, headers: dict[str, str] | None = None
    ) -> tuple[int, bytes]:
        """Send one request and return status and body."""
        sent = dict(headers or {})
        if self.token:
            sent["Authorization"] = f"Bearer {self.token}"
        self._connection.request(method, path, body, sent)
        answer = self._connection.getresponse()
        return answer.status, answer.read()

    def call(self, method: str, path: str, payload: object = None) -> tuple[int, Any]:
        """Send JSON and return status and parsed answer."""
        body = None if payload is None else json.dumps(payload).encode()
        status, data = self.raw(method, f"/api/v1{path}", body, {"Content-Type": "application/json"} if body else {})
        return status, json.loads(data) if data else None

    def upload(self, path: str, file: Path, **fields: str) -> tuple[int, Any]:
        """Post a file as multipart form data."""
        edge = uuid.uuid4().hex
        parts = [
            f'--{edge}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()
            for name, value in fields.items()
        ]
        head = f'--{edge}\r\nContent-Disposition: form-data; name="file"; filename="{file.name}"\r\nContent-Type: application/octet-stream\r\n\r\n'
        body = b"".join(parts) + head.encode() + file.read_bytes() + f"\r\n--{edge}--\r\n".encode()
        status, data = self.raw(
            "POST", f"/api/v1{path}", body, {"Content-Type": f"multipart/form-data; boundary={edge}"}
        )
        return status, json.loads(data)

    def follow(self, job: dict[str, Any], seconds: float = 3600) -> dict[str, Any]:
        """Wait for a job to end and return it."""
        end = time.monotonic() + seconds
        while job["state"] in ("queued", "running"):
            if time.monotonic() > end:
                raise TimeoutError(f"job {job['id']} still {job['state']} in {job['phase']!r}")
            time.sleep(0.2)
            _, job = self.call("GET", f"/jobs/{job['id']}")
        return job


@contextlib.contextmanager
def serving(**environment: str) -> Iterator[tuple[Api, Path, int]]:
    """Start the product on an empty instance folder; yield a signed-in client, the folder, and the launcher's process id."""
    with tempfile.TemporaryDirectory() as folder:
        port = free_port()
        env = {
            **os.environ,
            "OMP_WAIT_POLICY": "PASSIVE",
            "DEMO": "0",
            "HOST": "127.0.0.1",
            "PORT": str(port),
            "RETAINSTREAM_INSTANCE": folder,
            "RETAINSTREAM_LIMIT_SIGNED_IN": "100000000 per 1 minute",
            **environment,
        }
        with (Path(folder) / "server.log").open("wb") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "retainstream.serve"],
                cwd=ROOT,
                env=env,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
            try:
                yield _signed_in(port, Path(folder), process), Path(folder), process.pid
            finally:
                process.send_signal(signal.SIGINT)
                try:
                    process.wait(30)
                except subprocess.TimeoutExpired:
                    os.killpg(process.pid, signal.SIGKILL)
                    process.wait()


def _signed_in(port: int, folder: Path, process: subprocess.Popen[bytes]) -> Api:
    api = Api(port)
    end = time.monotonic() + 120
    while True:
        if process.poll() is not None:
            raise RuntimeError("the server ended: " + (folder / "server.log").read_text()[-2000:])
        with contextlib.suppress(OSError, http.client.HTTPException):
            if api.raw("GET", "/ready")[0] == 200:
                break
        if time.monotonic() > end:
            raise TimeoutError("the server does not answer: " + (folder / "server.log").read_text()[-2000:])
        api = Api(port)
        time.sleep(0.2)
    code = (folder / "setup-code").read_text().strip()
    status, answer = api.call(
        "POST", "/auth/register", {"email": EMAIL, "password": PASSWORD, "name": "Bench", "setup_code": code}
    )
    if status != 201:
        raise RuntimeError(f"registering answered {status}: {answer}")
    _, token = Api(port, answer["access_token"]).call(
        "POST", "/auth/tokens", {"name": "bench", "scopes": _scopes(port, answer["access_token"])}
    )
    return Api(port, token["token"])


def _scopes(port: int, access: str) -> list[str]:
    _, me = Api(port, access).call("GET", "/auth/me")
    found: list[str] = me["permissions"]
    return found
