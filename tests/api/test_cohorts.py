"""Cohorts and survival over HTTP: the real Telco table against lifelines, and what is refused."""

from __future__ import annotations

import io
import warnings
from pathlib import Path

import pandas as pd
import pytest
from flask import Flask
from flask.testing import FlaskClient

from tests.api.test_imports import Run
from tests.conftest import Cast
from tests.web.analysed import tell_past


def test_telco_by_contract_is_what_lifelines_says(
    client: FlaskClient, cast: Cast, run_jobs: Run, real_data: Path
) -> None:
    head, file = cast.token("analyst"), real_data / "telco.csv"
    sent = {"file": (io.BytesIO(file.read_bytes()), "telco.csv")}
    assert client.post("/api/v1/customers/import", data=sent, headers=head).status_code == 202
    assert client.post("/api/v1/analyses", headers=head).status_code in (202, 409)
    assert {job["state"] for job in run_jobs()} == {"succeeded"}
    by = next(name for name in ("attribute.contract", "attribute.Contract", "plan") if _has(client, head, name))
    found = client.get(f"/api/v1/survival?by={by}", headers=head).get_json()
    table = pd.read_csv(file)
    left = table["Churn"] == "Yes"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from lifelines import KaplanMeierFitter
        from lifelines.statistics import multivariate_logrank_test, pairwise_logrank_test

        assert found["kind"] == "snapshot"
        assert found["n"] == len(table)
        for group in found["groups"]:
            part = table["Contract"] == group["label"]
            oracle = KaplanMeierFitter().fit(table["tenure"][part], left[part])
            assert (group["n"], group["n_left"]) == (part.sum(), left[part].sum())
            limits = oracle.confidence_interval_
            for step in group["steps"]:
                if step["share"] is not None:
                    assert step["share"] == pytest.approx(float(oracle.predict(step["until_months"])))
                    assert [step["low"], step["high"]] == pytest.approx(limits.loc[step["until_months"]].tolist())
        whole = multivariate_logrank_test(table["tenure"], table["Contract"], left)
        assert found["log_rank"]["chi2"] == pytest.approx(whole.test_statistic)
        assert found["log_rank"]["df"] == 2
        pairs = pairwise_logrank_test(table["tenure"], table["Contract"], left).summary
    assert {group["label"] for group in found["groups"]} == set(table["Contract"])
    assert len(found["pairs"]) == 3
    for pair in found["pairs"]:
        told = pairs.loc[tuple(sorted(pair["groups"]))]
        assert pair["chi2"] == pytest.approx(told["test_statistic"])
        assert pair["p_holm"] >= pair["p"]
    group = found["groups"][0]
    query = {"cell": group["cell"], "status": "all"}
    assert client.get("/api/v1/customers", query_string=query, headers=head).get_json()["total"] == group["n"]
    assert client.get("/api/v1/cohorts", headers=head).status_code == 409


def _has(client: FlaskClient, head: dict[str, str], by: str) -> bool:
    answer = client.get(f"/api/v1/survival?by={by}", headers=head)
    return answer.status_code == 200 and any(group["label"] == "Two year" for group in answer.get_json()["groups"])


def test_a_grid_comes_with_addresses_that_lists_take(app: Flask, client: FlaskClient, cast: Cast) -> None:
    tell_past(app, 80, 6)
    head = cast.token("viewer")
    answer = client.get("/api/v1/cohorts?grid=activity&unit=week", headers=head)
    again = client.get(
        "/api/v1/cohorts?grid=activity&unit=week", headers={**head, "If-None-Match": answer.headers["ETag"]}
    )
    assert again.status_code == 304
    found = answer.get_json()
    cohort = found["cohorts"][2]
    cell = cohort["cells"][1]
    assert cell["retained"] + cell["gone"] == cohort["n"]
    for key, expected in (("retained_cell", cell["retained"]), ("gone_cell", cell["gone"])):
        query = {"cell": cell[key], "status": "all"}
        assert client.get("/api/v1/customers", query_string=query, headers=head).get_json()["total"] == expected
    tenure = client.get("/api/v1/survival/tenure", headers=head).get_json()
    assert (
        sum(item["left"] for item in tenure["items"])
        == client.get("/api/v1/survival", headers=head).get_json()["n_left"]
    )


def test_what_cannot_be_answered_is_refused(client: FlaskClient, cast: Cast) -> None:
    head = cast.token("viewer")
    assert client.get("/api/v1/cohorts").status_code == 401
    assert client.get("/api/v1/cohorts", headers=head).status_code == 409
    assert client.get("/api/v1/survival", headers=head).status_code == 409
    assert client.get("/api/v1/cohorts?unit=day", headers=head).status_code == 422
    assert client.get("/api/v1/survival?by=colour", headers=head).status_code == 422
    assert client.get("/api/v1/survival?colour=red", headers=head).status_code == 422
