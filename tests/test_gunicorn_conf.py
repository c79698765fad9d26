"""gunicorn's hooks that can be looked at without a server."""

from __future__ import annotations

import runpy
import socket
from types import SimpleNamespace

import pytest

from retainstream.config import ROOT


def test_a_caller_who_stops_in_the_middle_of_a_body_is_given_up() -> None:
    hooks = runpy.run_path(str(ROOT / "gunicorn.conf.py"))
    ours, theirs = socket.socketpair()
    with ours, theirs:
        assert ours.gettimeout() is None
        hooks["pre_request"](None, SimpleNamespace(unreader=SimpleNamespace(sock=ours)))
        assert ours.gettimeout() == hooks["STALLED_SECONDS"] == 20
        ours.settimeout(0.01)
        with pytest.raises(TimeoutError):
            ours.recv(1)
