"""What is proposed for a file, and what a person is warned about."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from retainstream.lib.tabular import open_table
from retainstream.services.imports import warnings
from retainstream.services.imports.evidence import area_under_curve, giveaways_from_sample
from retainstream.services.imports.mapping import Mapping
from retainstream.services.imports.profile import TableProfile, profile_table
from retainstream.services.imports.proposal import propose
from retainstream.services.imports.warnings import warnings_for
from tests.services.imports.tables import cast_all, profile_of, real, table_of

N = 200
IDS = [f"C-{1000 + index}" for index in range(N)]
CHURN = ["yes" if index % 5 == 0 else "no" for index in range(N)]


def roles(mapping: Mapping) -> dict[str, str]:
    return {column.name: column.role for column in mapping.columns}


def codes(profile: TableProfile, mapping: Mapping) -> dict[str, warnings.ImportWarning]:
    return {warning.code: warning for warning in warnings_for(profile, mapping)}


@pytest.mark.parametrize(
    ("name", "values", "churned"),
    [
        ("Churn", ["Yes", "No"], "Yes"),
        ("churn", ["True.", "False."], "True."),
        ("Exited", ["1", "0"], "1"),
        ("is_active", ["0", "1"], "0"),
        ("Retained", ["N", "Y"], "N"),
        ("Attrition_Flag", ["Attrited Customer", "Existing Customer"], "Attrited Customer"),
        ("state of account", ["not-active", "active"], "not-active"),
        ("cancelled", ["t", "f"], "t"),
        ("Status", ["gekündigt", "aktiv"], "gekündigt"),
    ],
)
def test_the_label_and_its_leaving_value_are_found(tmp_path: Path, name: str, values: list[str], churned: str) -> None:
    outcome = [values[0] if index % 5 == 0 else values[1] for index in range(N)]
    mapping = propose(
        profile_of(tmp_path, **{"customer id": IDS, "usage": [index % 37 for index in range(N)], name: outcome})
    )
    assert mapping.label is not None
    assert (mapping.label.name, mapping.label.churned_values) == (name, (churned,))


@pytest.mark.parametrize(
    ("values", "churned", "kept"),
    [
        (["Yes", "No", "yes", "no ", "NO"], {"Yes", "yes"}, {"No", "no", "NO"}),
        (["TRUE", "False", "True"], {"TRUE", "True"}, {"False"}),
        (["1.0", "0", "0.0"], {"1.0"}, {"0", "0.0"}),
    ],
)
def test_spellings_of_the_same_label_value_belong_together(
    tmp_path: Path, values: list[str], churned: set[str], kept: set[str]
) -> None:
    mapping = propose(profile_of(tmp_path, id=IDS, churn=[values[index % len(values)] for index in range(N)]))
    assert mapping.label is not None
    assert {value.strip() for value in mapping.label.churned_values} == churned
    assert {value.strip() for value in mapping.label.kept_values} == kept


def test_a_slip_in_the_label_is_an_error_of_its_row_and_hides_no_label(tmp_path: Path) -> None:
    profile = profile_of(tmp_path, id=IDS, churn=["maybe", *CHURN[1:]])
    mapping = propose(profile)
    assert mapping.label is not None
    assert (mapping.label.churned_values, mapping.label.kept_values) == (("yes",), ("no",))


def test_a_churn_column_that_nobody_can_read_is_no_feature_and_is_told_about(tmp_path: Path) -> None:
    profile = profile_of(tmp_path, id=IDS, churn=[("red", "green", "blue")[index % 3] for index in range(N)])
    mapping = propose(profile)
    assert roles(mapping)["churn"] == "ignored"
    warning = codes(profile, mapping)["no_label"]
    assert (warning.column, warning.severity) == ("churn", "serious")
    assert "churned_values" in warning.message and "'green'" in warning.message


def test_two_equally_good_labels_are_left_to_a_person(tmp_path: Path) -> None:
    other = ["yes" if index % 7 == 0 else "no" for index in range(N)]
    profile = profile_of(tmp_path, id=IDS, churned=CHURN, cancelled=other)
    mapping = propose(profile)
    assert mapping.label is None
    assert codes(profile, mapping)["ambiguous_label"].needs_confirmation
    assert not any(column.feature for column in mapping.columns)


def test_a_copy_of_the_label_is_no_feature(tmp_path: Path) -> None:
    status = ["Churned" if value == "yes" else ("Stayed", "Joined")[index % 2] for index, value in enumerate(CHURN)]
    number = ["1" if value == "yes" else "0" for value in CHURN]
    reason = [("Price", "Rival")[index % 2] if value == "yes" else "" for index, value in enumerate(CHURN)]
    profile = profile_of(
        tmp_path, id=IDS, churn_label=CHURN, churn_value=number, customer_status=status, churn_reason=reason
    )
    found = roles(propose(profile))
    assert (found.pop("id"), found.pop("churn_label")) == ("identifier", "label")
    assert set(found.values()) == {"ignored"}


def test_outcome_details_and_predictions_are_ignored_but_ordinary_scores_stay(tmp_path: Path) -> None:
    left = [value == "yes" for value in CHURN]
    profile = profile_of(
        tmp_path,
        id=IDS,
        churn=CHURN,
        churn_reason=[f"r{index % 3}" if gone else "" for index, gone in enumerate(left)],
        cancel_date=["2024-02-03" if gone else "" for gone in left],
        farewell=["called" if gone else "" for gone in left],
        churn_score=[index % 100 for index in range(N)],
        predicted_value=[index % 90 for index in range(N)],
        credit_score=[index % 80 for index in range(N)],
        last_order=[f"2024-01-{index % 28 + 1:02d}" for index in range(N)],
    )
    found = roles(propose(profile))
    assert [name for name, role in found.items() if role == "ignored"] == [
        "churn_reason", "farewell", "churn_score", "predicted_value",
    ]  # fmt: skip
    assert (found["cancel_date"], found["credit_score"], found["last_order"]) == ("churn_date", "feature", "date")


def test_kinds_and_roles_by_name_and_value(tmp_path: Path) -> None:
    profile = profile_of(
        tmp_path,
        row=list(range(1, N + 1)),
        user_id=[f"{index:05d}" for index in range(N)],
        plan=["basic", "pro"] * (N // 2),
        monthly_fee=[f"€{index % 40},50" for index in range(N)],
        tenure_months=[index % 50 for index in range(N)],
        signup=[f"{index % 28 + 1}/03/2023" for index in range(N)],
        mail=[f"a{index}@example.org" for index in range(N)],
        last_name=[f"Name{chr(97 + index % 26)}" for index in range(N)],
        constant=["x"] * N,
        big=[f"{index % 60 + 1},234.5" for index in range(N)],
        share=[f"{index % 60}%" for index in range(N)],
        postcode=[f"0{index % 40:04d}" for index in range(N)],
        seen=[1_700_000_000 + index for index in range(N)],
        note=[f"text number {index} of somebody" for index in range(N)],
    )
    mapping = propose(profile)
    by_name = {column.name: column for column in mapping.columns}
    assert roles(mapping) == {
        "row": "ignored", "user_id": "identifier", "plan": "plan", "monthly_fee": "monthly_revenue",
        "tenure_months": "tenure", "signup": "signup", "mail": "personal", "last_name": "personal", "constant": "ignored",
        "big": "feature", "share": "feature", "postcode": "feature", "seen": "feature", "note": "ignored",
    }  # fmt: skip
    assert (by_name["monthly_fee"].decimal, mapping.currency, by_name["big"].decimal) == (",", "EUR", ".")
    assert (by_name["signup"].format, by_name["tenure_months"].unit, by_name["share"].unit) == ("dmy", "months", "%")
    assert (by_name["postcode"].kind, by_name["mail"].field, by_name["last_name"].field) == (
        "category",
        "email",
        "name",
    )
    assert all(column.reason for column in mapping.columns if column.role == "ignored")


@pytest.mark.parametrize(
    ("values", "form"),
    [
        (["03/25/2024", "01/02/2024"], "mdy"),
        (["25/03/2024", "01/02/2024"], "dmy"),
        (["2024-03-25", "2024-02-01T10:00:00Z"], "iso"),
        (["20240325", "20240201", "20240202", "20240203", "20240204"], "yyyymmdd"),
        (["25 Mar 2024", "1 Feb 2024"], "d_month_y"),
        (["1711324800000", "1706745600000"], "unix_ms"),
    ],
)
def test_date_formats_are_decided_by_the_values(tmp_path: Path, values: Sequence[str], form: str) -> None:
    profile = profile_of(tmp_path, id=IDS, created_at=[values[index % len(values)] for index in range(N)])
    assert propose(profile).columns[1].format == form


def test_history_in_the_past_is_proposed_as_known_at_the_time(tmp_path: Path) -> None:
    profile = profile_of(tmp_path, id=IDS, signup=["2024-01-01"] * (N - 1) + ["2024-02-01"])
    assert propose(profile, today=1_800_000_000_000_000).known_at_time
    assert not propose(profile, today=1_700_000_000_000_000).known_at_time


def test_a_majority_of_leavers_needs_an_answer_and_a_confirmed_label_does_not(tmp_path: Path) -> None:
    turned = ["no" if value == "yes" else "yes" for value in CHURN]
    profile = profile_of(tmp_path, id=IDS, usage=[index % 37 for index in range(N)], churn=turned)
    mapping = propose(profile)
    warning = codes(profile, mapping)["label_inverted"]
    assert warning.needs_confirmation
    assert warning.detail["base_rate"] == 0.8
    assert "label_inverted" not in codes(profile, mapping.flipped())
    assert propose(profile).flipped().label_confirmed


def test_warnings_name_what_is_odd(tmp_path: Path) -> None:
    leak = [f"{900 + index if value == 'yes' else index}" for index, value in enumerate(CHURN)]
    table = table_of(
        tmp_path,
        ["group", "Age  now", "leak", "churn"],
        [["x" if index else "y", "" if index == 3 else index % 50, leak[index], CHURN[index]] for index in range(N)]
        + [["x", 1, leak[1], CHURN[1]]] + [["x", 1]],
    )  # fmt: skip
    profile = profile_table(table)
    found = codes(profile, propose(profile))
    assert {
        "no_identifier",
        "exact_duplicates",
        "numbers_as_text",
        "giveaway",
        "ragged_rows",
        "header_whitespace",
    } <= set(found)
    assert found["exact_duplicates"].detail["count"] == 1
    assert found["giveaway"].column == "leak"
    assert found["near_constant"].column == "group"


def test_one_odd_thing_is_told_in_the_singular(tmp_path: Path) -> None:
    rows = [[IDS[index], index % 7, CHURN[index]] for index in range(N)]
    rows[4] = [IDS[4], 1]
    profile = profile_table(table_of(tmp_path, ["customer_id", "usage ", "churn"], rows))
    found = codes(profile, propose(profile))
    assert "a repeat and was tidied" in found["header_whitespace"].message
    assert found["ragged_rows"].message.startswith("1 row does not fit")


def test_columns_of_a_file_of_bad_rows_are_ignored(tmp_path: Path) -> None:
    header = ["usage", "churn", "retainstream_line", "retainstream_reason", "retainstream_surplus"]
    left = ["customer left" if index % 5 else "customer stayed" for index in range(N)]
    rows = [[index % 7, CHURN[index], 3 * index + 2, f"told {index}", left[index]] for index in range(N)]
    profile = profile_table(table_of(tmp_path, header, rows))
    mapping = propose(profile)
    assert mapping.identifier is None and mapping.label is not None and mapping.label.name == "churn"
    for column in mapping.columns[2:]:
        assert column.role == "ignored"
        assert column.reason == "It was added by RetainStream to a file of bad rows."
    assert not any((warning.column or "").startswith("retainstream_") for warning in warnings_for(profile, mapping))


def test_giveaways_are_not_found_by_chance_in_rare_categories() -> None:
    random = np.random.default_rng(1)
    label = (random.random(2000) < 0.2).astype(np.int8)
    names = [f"n{index // 2}" for index in range(2000)]
    noise = random.normal(size=2000)
    assert giveaways_from_sample({"names": names, "noise": noise}, label) == {}
    filled = np.where(label == 1, 1.0, np.nan)
    assert set(giveaways_from_sample({"filled": filled, "copy": label * 2.0}, label)) == {"filled", "copy"}


@given(st.lists(st.tuples(st.integers(0, 5), st.booleans()), min_size=2, max_size=40))
def test_area_under_curve_counts_pairs(pairs: list[tuple[int, bool]]) -> None:
    positive = [score for score, outcome in pairs if outcome]
    negative = [score for score, outcome in pairs if not outcome]
    area = area_under_curve(np.array([score for score, _ in pairs], float), np.array([outcome for _, outcome in pairs]))
    if not positive or not negative:
        assert np.isnan(area)
    else:
        wins = sum((p > n) + 0.5 * (p == n) for p in positive for n in negative)
        assert area == pytest.approx(wins / (len(positive) * len(negative)))


text = st.text(st.characters(exclude_categories=("Cs", "Cc")), max_size=10) | st.sampled_from(
    [
        "",
        "1",
        "0",
        "-",
        "NA",
        "1,5",
        "1.5",
        "€3",
        "yes",
        "no",
        "2024-01-01",
        "13/01/2024",
        "17850.0",
        "1e999",
        "٣",
        "1_0",
        "True.",
        "a\nb",
    ]
)
headers = st.sampled_from(
    ["id", "churn", "plan", "monthly price", "signup date", "tenure", "name", "x", "cancel reason", "status", ""]
)


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(st.data(), st.lists(headers, min_size=1, max_size=5), st.integers(1, 6))
def test_any_text_table_is_proposed_and_cast(tmp_path: Path, data: st.DataObject, names: list[str], rows: int) -> None:
    cells = [[f"k{row}", *[data.draw(text) for _ in names]] for row in range(rows)]
    table = table_of(tmp_path, ["key", *names], cells)
    profile = profile_table(table)
    mapping = propose(profile)
    assert Mapping.from_dict(mapping.to_dict()) == mapping
    warnings_for(profile, mapping)
    chunks = cast_all(table, mapping, rows=2)
    assert (
        sum(len(chunk) + len(chunk.bad_rows) + chunk.exact_duplicates for chunk in chunks)
        == profile.rows + profile.ragged
    )
    assert sum(len(chunk.bad_rows) for chunk in chunks if mapping.identifier is None) == 0


@pytest.mark.parametrize(
    ("file", "identifier", "label", "churned", "leavers"),
    [
        ("telco.csv", "customerID", "Churn", "Yes", 1869),
        ("iranian_churn.csv", None, "Churn", "1", 495),
        ("telecom_3333.csv", "phonenumber", "churn", "T", 483),
        ("dirty/iranian_bom_yesno.csv", "ID", "Churn", "yes", 2655),
        ("dirty/telco_crlf.csv", "customerID", "Churn", "Yes", 1869),
        ("dirty/bank_semicolon.csv", "CustomerId", "Exited", "1", 2037),
        ("hillstrom.csv.gz", None, None, None, 0),
    ],
)
def test_real_files(file: str, identifier: str | None, label: str | None, churned: str | None, leavers: int) -> None:
    table = open_table(real(file))
    profile = profile_table(table)
    mapping = propose(profile)
    assert (mapping.identifier and mapping.identifier.name) == identifier
    assert (mapping.label and mapping.label.name) == label
    chunks = cast_all(table, mapping)
    assert sum(len(chunk.bad_rows) for chunk in chunks) == 0
    assert sum(int((chunk.label.values == 1).sum()) for chunk in chunks if chunk.label) == leavers
    asked = {warning.code for warning in warnings_for(profile, mapping) if warning.needs_confirmation}
    assert asked == ({"label_inverted"} if "bom_yesno" in file else set())
    assert mapping.label is None or mapping.label.churned_values == (churned,)
