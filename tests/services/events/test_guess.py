"""What a file is taken for at first sight."""

from __future__ import annotations

from pathlib import Path

import pytest

from retainstream.lib.tabular import TableLimits, open_table
from retainstream.services.events.guess import likely_target
from retainstream.services.imports.profile import profile_table

NOW = 1_780_000_000_000_000
CUSTOMERS = "customer_id,plan,age,churn\n" + "".join(f"c{at},b,{20 + at},{at % 3 // 2}\n" for at in range(60))
UNLABELLED = "customer_id,plan,signup\n" + "".join(f"c{at},b,2025-01-{1 + at % 28:02d}\n" for at in range(60))
EVENTS = "user_id,time,event\n" + "".join(f"u{at % 9},2026-01-{1 + at % 28:02d} 10:00,login\n" for at in range(60))
ONE_EACH = "user_id,time,event\n" + "".join(
    f"u{at},2026-01-{1 + at % 28:02d} 10:00,{('a', 'b')[at % 2]}\n" for at in range(60)
)
ORDERS = "order,customer,date,product,price,quantity\n" + "".join(
    f"o{at},c{at % 9},2026-01-{1 + at % 28:02d},p{at % 4},9.50,{1 + at % 3}\n" for at in range(60)
)
SUBSCRIPTIONS = "subscription_id,customer_id,plan,started,ended,price\n" + "".join(
    f"s{at},c{at % 50},b,2025-01-{1 + at % 28:02d},{'' if at % 3 else '2025-09-01'},9.50\n" for at in range(60)
)


@pytest.mark.parametrize(
    ("text", "target"),
    [
        (CUSTOMERS, "customers"),
        (UNLABELLED, "customers"),
        (EVENTS, "events"),
        (ONE_EACH, "events"),
        (ORDERS, "orders"),
        (SUBSCRIPTIONS, "subscriptions"),
        ("a,b\n1,2\n3,4\n", "customers"),
    ],
)
def test_a_file_is_taken_for_what_it_is(tmp_path: Path, text: str, target: str) -> None:
    path = tmp_path / "file.csv"
    path.write_text(text)
    assert likely_target(profile_table(open_table(path, TableLimits())), NOW) == target
