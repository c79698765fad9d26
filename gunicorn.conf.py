"""gunicorn's settings and the hooks that tie a worker's life to the background work. Used by `make run` and by deploy/."""

import os
import sys
import threading
import urllib.error
import urllib.request

from retainstream.jobs import background

_host, _port = os.environ.get("HOST") or "127.0.0.1", os.environ.get("PORT") or "8000"
_shown_host = f"[{_host}]" if ":" in _host else _host

bind = f"{_shown_host}:{_port}"
worker_class = "gthread"
workers = 2
threads = 4
timeout = 120
graceful_timeout = 10
keepalive = 5
preload_app = False  # XGBoost hangs in a process that was forked after its threads were used
max_requests = 0  # a recycled worker would end the job that it leads
control_socket_disable = True
loglevel = "warning"
proc_name = "retainstream"

STALLED_SECONDS = 20  # without a byte; gunicorn itself only limits the time between requests


def post_worker_init(worker):
    """Stand for leader, load the model and make what pages keep, after the fork."""
    background.start(worker.wsgi)
    background.warm_up(worker.wsgi)
    background.keep_warm(worker.wsgi)
    if worker.age == 1:
        threading.Thread(target=_announce, daemon=True).start()


def pre_request(worker, req):
    """Give up on a caller who stops in the middle of a body: each would hold one of the few threads for good."""
    req.unreader.sock.settimeout(STALLED_SECONDS)


def worker_exit(server, worker):
    """Give the running job back before the process ends."""
    if getattr(worker, "wsgi", None) is not None:
        background.stop(worker.wsgi)


def child_exit(server, worker):
    """Forget a dead worker's live gauges."""
    if os.environ.get("PROMETHEUS_MULTIPROC_DIR"):
        from prometheus_client import multiprocess

        multiprocess.mark_process_dead(worker.pid)


def _announce():
    """Say once where the server is, when it really answers."""
    reached = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(_host, _shown_host)
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    pause = threading.Event()
    for _ in range(300):
        try:
            with opener.open(f"http://{reached}:{_port}/ready", timeout=5):
                break
        except (urllib.error.URLError, OSError):
            pause.wait(0.2)
    else:
        return
    sys.stdout.write(f"RetainStream answers at http://{_shown_host}:{_port}   (Ctrl-C stops it)\n")
    sys.stdout.flush()
