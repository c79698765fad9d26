"""The gate before a log-in: so many tries per account and per address, counted exactly over all workers."""

from __future__ import annotations

import math
import time

from limits import parse

from retainstream.errors import Busy, TooManyRequests
from retainstream.lib.addresses import counted_network
from retainstream.lib.identifiers import keyed_hash
from retainstream.security.rate_storage import SqliteRateStorage


class LoginGate:
    """Counts tries before the password is looked at; an account that does not exist is counted like one that does.

    Parameters
    ----------
    rate : str
        Tries and window, such as `10 per 15 minutes`; the window begins at the first try.
    key : str
        Secret that keeps the counted names out of the counters' file.
    """

    def __init__(self, storage: SqliteRateStorage, rate: str, key: str) -> None:
        item = parse(rate)
        self.storage = storage
        self.tries: int = item.amount
        self.seconds: int = item.get_expiry()
        self._key = key.encode()

    def _name(self, kind: str, value: str) -> str:
        text = f"{kind}:{value}".encode("utf-8", "replace").decode()
        return f"login/{keyed_hash(self._key, text)[:32]}"

    def admit(self, account: str, address: str) -> None:
        """Count one try; raises TooManyRequests with the seconds to wait when either has used up its tries.

        The address comes first: one that is shut out cannot go on to shut out accounts.
        """
        for kind, value in (("address", counted_network(address)), ("account", account)):
            try:
                count, ends = self.storage.hit(self._name(kind, value), self.seconds)
            except self.storage.base_exceptions as error:
                raise Busy("Log-ins cannot be counted just now; try again in a moment.", retry_after=2) from error
            if count > self.tries:
                wait = max(1, math.ceil(ends - time.time()))
                raise TooManyRequests(
                    f"Too many log-in tries. Try again in {math.ceil(wait / 60)} minutes.", retry_after=wait
                )

    def forgive(self, account: str, address: str) -> None:
        """After a right password: forget the account's tries and the one of the address, so that an office behind one address is not shut out."""
        self.storage.clear(self._name("account", account))
        self.storage.give_back(self._name("address", counted_network(address)))
