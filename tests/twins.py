"""Made-up twins of the tables that people really bring: same shape and same traps, other numbers. All are drawn from one seeded hazard."""

from __future__ import annotations

import numpy as np


def _people(rows: int, seed: int) -> tuple[np.random.Generator, np.ndarray, np.ndarray, np.ndarray]:
    """Return a generator, tenure in months, a satisfaction in standard units, and who left."""
    rng = np.random.default_rng(seed)
    tenure = rng.integers(0, 72, rows)
    content = rng.normal(0, 1, rows)
    hazard = 1 / (1 + np.exp(1.2 + 0.035 * tenure + 1.3 * content))
    return rng, tenure, content, rng.random(rows) < hazard * 1.6


def _text(header: list[str], columns: list[list[object]], delimiter: str = ",", end: str = "\n") -> str:
    lines = [delimiter.join(header)]
    lines += [delimiter.join(str(cell) for cell in row) for row in zip(*columns, strict=True)]
    return end.join(lines) + end


def telephone(rows: int = 700, seed: int = 1, end: str = "\n") -> bytes:
    """A table with an identifier, Yes/No, a third value for "no service", and one blank total for each newcomer."""
    rng, tenure, content, left = _people(rows, seed)
    internet = rng.choice(["DSL", "Fibre", "No"], rows, p=[0.4, 0.4, 0.2])
    backup = [("No internet service" if net == "No" else rng.choice(["Yes", "No"])) for net in internet]
    monthly = np.round(np.where(internet == "No", 20, np.where(internet == "DSL", 55, 85)) + rng.normal(0, 5, rows), 2)
    total = [f"{m * t:.2f}" if t else " " for m, t in zip(monthly, tenure, strict=True)]
    contract = np.where(content > 0.8, "Two year", np.where(content > 0, "One year", "Month-to-month"))
    columns: list[list[object]] = [
        [f"{index:04d}-TWIN" for index in range(rows)],
        list(rng.choice(["Female", "Male"], rows)),
        list(rng.integers(0, 2, rows)),
        list(tenure),
        list(internet),
        backup,
        list(contract),
        list(rng.choice(["Electronic check", "Mailed check", "Card (automatic)"], rows)),
        list(monthly),
        list(total),
        ["Yes" if one else "No" for one in left],
    ]
    header = "customerID,gender,SeniorCitizen,tenure,InternetService,OnlineBackup,Contract,PaymentMethod,MonthlyCharges,TotalCharges,Churn"
    return _text(header.split(","), columns, end=end).encode()


def operator(rows: int = 700, seed: int = 2) -> bytes:
    """A table without identifier, with double blanks in its headers and exact duplicate rows."""
    rng, tenure, content, left = _people(rows, seed)
    complaints = (content < -0.9).astype(int)
    calls = rng.poisson(np.exp(3 + 0.5 * content))
    columns: list[list[object]] = [
        list(rng.poisson(5, rows)),
        list(complaints),
        list(tenure),
        list(calls * 60),
        list(calls),
        list(np.round(calls * 3.7 + 10, 3)),
        list(left.astype(int)),
    ]
    header = [
        "Call  Failure",
        "Complains",
        "Subscription  Length",
        "Seconds of Use",
        "Frequency of use",
        "Customer Value",
        "Churn",
    ]
    text = _text(header, columns).splitlines(keepends=True)
    return "".join(text + text[1:60]).encode()


def operator_inverted(rows: int = 700, seed: int = 2) -> bytes:
    """The operator's table with an identifier, a byte order mark, CRLF, words for codes, and the label upside down."""
    lines = operator(rows, seed).decode().splitlines()[: rows + 1]
    out = ["ID," + lines[0]]
    for index, line in enumerate(lines[1:], 1):
        cells = line.split(",")
        cells[1] = "yes" if cells[1] == "1" else "no"
        cells[-1] = "no" if cells[-1] == "1" else "yes"
        out.append(",".join([str(index), *cells]))
    return b"\xef\xbb\xbf" + ("\r\n".join(out) + "\r\n").encode()


def landline(rows: int = 700, seed: int = 3) -> bytes:
    """A telephone number serves as the identifier, the label is T or F, and charges are copies of minutes."""
    rng, tenure, content, left = _people(rows, seed)
    minutes = np.round(180 - 40 * content + rng.normal(0, 20, rows), 1)
    columns: list[list[object]] = [
        list(rng.choice(["KS", "OH", "NJ", "OK", "AL"], rows)),
        list(tenure),
        [f"{415 + index % 3}-{100 + index // 1000:03d}-{index:04d}" for index in range(rows)],
        list(rng.choice(["no", "yes"], rows, p=[0.9, 0.1])),
        list(minutes),
        list(np.round(minutes * 0.17, 2)),
        list(rng.poisson(np.exp(0.3 - 0.4 * content))),
        ["T" if one else "F" for one in left],
    ]
    header = ["state", "accountlength", "phonenumber", "intlplan", "daymins", "daycharge", "custservcalls", "churn"]
    return _text(header, columns).encode()


def bank(rows: int = 700, seed: int = 4) -> bytes:
    """Semicolons, a row counter, a surname, and a label that is called otherwise."""
    rng, tenure, content, left = _people(rows, seed)
    columns: list[list[object]] = [
        list(range(1, rows + 1)),
        list(rng.permutation(np.arange(15_000_000, 15_000_000 + rows))),
        list(rng.choice(["Hargrave", "Hill", "Onio", "Boni", "Mitchell", "Chu", "Bartlett"], rows)),
        list(np.round(650 + 60 * content).astype(int)),
        list(rng.choice(["France", "Spain", "Germany"], rows)),
        list(rng.integers(18, 80, rows)),
        list(tenure // 12),
        list(np.round(rng.gamma(2, 30_000, rows), 2)),
        list((content > -0.3).astype(int)),
        list(left.astype(int)),
    ]
    header = [
        "RowNumber",
        "CustomerId",
        "Surname",
        "CreditScore",
        "Geography",
        "Age",
        "Tenure",
        "Balance",
        "IsActiveMember",
        "Exited",
    ]
    return _text(header, columns, delimiter=";").encode()


WEB_PAGE = (
    b"<!DOCTYPE HTML>\n<html>\n\n<head><title>Login</title></head><body><form action='/login'></form></body></html>\n"
)
