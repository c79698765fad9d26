"""What tries are counted under: an IPv6 caller has 2^64 addresses and must not have as many counts."""

from __future__ import annotations

import pytest

from retainstream.lib.addresses import counted_network


@pytest.mark.parametrize(
    ("address", "counted"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:db8::1", "2001:db8::/64"),
        ("2001:db8::ffff:1:2:3", "2001:db8::/64"),
        ("2001:db8:0:1::1", "2001:db8:0:1::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("", ""),
        ("unix:", "unix:"),
    ],
)
def test_an_address_is_counted_under_its_network(address: str, counted: str) -> None:
    assert counted_network(address) == counted
