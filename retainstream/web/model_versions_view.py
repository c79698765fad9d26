"""Versions of the model: the list, two side by side, and what would happen if one were put into service. Pure functions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from retainstream.web import model_reach, model_view
from retainstream.web.template_tools import last_day, moment, percent, whole

Answer = Mapping[str, Any]


@dataclass(frozen=True)
class VersionLine:
    """One version in the list."""

    id: int
    trained: str
    data_to: str
    n: str
    auc: str
    between: str
    said: str
    badges: tuple[tuple[str, str], ...]
    may_serve: bool


@dataclass(frozen=True)
class Row:
    """One figure of two versions side by side; `better` is the place of the clearly better one, 0 or 1, or None."""

    label: str
    values: tuple[str, str]
    better: int | None = None


@dataclass(frozen=True)
class Comparison:
    """Two versions side by side; `caution` says why their figures may not be set against each other."""

    title: str
    caution: str
    ids: tuple[int, int]
    rows: tuple[Row, ...]


@dataclass(frozen=True)
class Step:
    """What putting a version into service, or going back, will do: the question, the consequences, and the button's word."""

    title: str
    lead: str
    consequences: tuple[str, ...]
    act: str
    address: str
    back: str


def line(one: Answer) -> VersionLine:
    """Return a version of the service's list as a line."""
    between = one["auc_interval"]
    return VersionLine(
        id=int(one["id"]),
        trained=moment(one["trained_at"]),
        data_to=last_day(one["as_of"]),
        n=whole(one["n"]),
        auc="–" if one["auc"] is None else f"{one['auc']:.3f}",
        between="" if not between else f"{between[0]:.3f} to {between[1]:.3f}",
        said="" if one["servable"] and one["kind"] != "simple_rule" else str((one["verdict"] or {}).get("message", "")),
        badges=model_view.badges(one),
        may_serve=bool(one["servable"]) and not one["champion"],
    )


def compare(first: Answer, second: Answer) -> Comparison:
    """Return two cards side by side.

    A figure is called better only where both may be set against each other and their intervals do not overlap.
    """
    caution = _caution(first, second)
    rows = [
        Row("Kind", _both(first, second, lambda one: model_view.KINDS.get(str(one["kind"]), str(one["kind"])))),
        Row("What churned means", _both(first, second, lambda one: str(one["definition"]["name"]))),
        Row(
            "Data to",
            _both(first, second, lambda one: last_day(one["as_of"] or (one["data_window"] or {}).get("data_as_of"))),
        ),
        Row("Trained", _both(first, second, lambda one: moment(one["trained_at"]))),
        Row("Rows", _both(first, second, lambda one: whole(one["n"]))),
        Row(
            "Base rate where judged", _both(first, second, lambda one: percent((one["report"] or {}).get("base_rate")))
        ),
        Row("Percentages", _both(first, second, _percentages)),
        Row("Leavers among the first 10%", _both(first, second, _tenth)),
    ]
    for key, name, digits, lower_is_better in (
        ("auc", "AUC", 3, False),
        ("top_decile_lift", "Lift of the first tenth", 2, False),
        ("log_loss", "Log loss", 4, True),
    ):
        row = _figures(name, [_own(one, key) for one in (first, second)], digits, lower_is_better=lower_is_better)
        rows.append(row if not caution else replace(row, better=None))
    rows.append(Row("Features", _both(first, second, lambda one: whole(len(one["features"])))))
    rows.append(Row("Strongest feature", _both(first, second, _strongest)))
    return Comparison(
        f"Version {first['id']} beside version {second['id']}", caution, (int(first["id"]), int(second["id"])), tuple(rows)
    )  # fmt: skip


def _both(first: Answer, second: Answer, words: Any) -> tuple[str, str]:
    return str(words(first)), str(words(second))


def _percentages(one: Answer) -> str:
    if not one["servable"]:
        return "refused"
    return "shown" if one["calibrated"] else "withheld"


def _tenth(one: Answer) -> str:
    tenth = model_reach.first_tenth(one["report"] or {})
    return "–" if tenth is None else percent(tenth[0], 0)


def _strongest(one: Answer) -> str:
    found = model_view.drivers(one)
    return f"{found[0].title} ({found[0].share})" if found else "–"


def _own(one: Answer, key: str) -> Answer:
    hidden = key == "log_loss" and not one["calibrated"]
    figure = ((one["metrics"] or {}).get("xgboost") or {}).get(key)
    return {} if hidden or not figure or figure["value"] is None else figure


def _figures(name: str, pair: Sequence[Answer], digits: int, *, lower_is_better: bool) -> Row:
    words = []
    for figure in pair:
        between = "" if figure.get("low") is None else f" ({figure['low']:.{digits}f} to {figure['high']:.{digits}f})"
        words.append(f"{figure['value']:.{digits}f}{between}" if figure else "–")
    better = None
    if all(figure and figure.get("low") is not None for figure in pair):
        if pair[0]["low"] > pair[1]["high"]:
            better = 1 if lower_is_better else 0
        elif pair[1]["low"] > pair[0]["high"]:
            better = 0 if lower_is_better else 1
    return Row(name, (words[0], words[1]), better)


def _caution(first: Answer, second: Answer) -> str:
    if first["definition_id"] != second["definition_id"]:
        return "They learnt different definitions of churn, so their figures answer different questions."
    if first["kind"] != second["kind"]:
        return "They are of different kinds, so their figures were computed in different ways."
    dates = [_tested(one) for one in (first, second)]
    if dates[0] != dates[1]:
        return "Each was judged on a test window of its own, so a difference may lie in the months and not in the models. A replay of one day by both settles it."
    return ""


def _tested(one: Answer) -> object:
    return [
        window["dates"]
        for window in ((one["report"] or {}).get("forward") or {}).get("windows") or ()
        if window["name"] == "test"
    ]


def promotion(target: Answer, current: Answer | None) -> Step:
    """Return what putting a version into service will do; `target` and `current` are lines of the service."""
    found = _consequences(target, current)
    return Step(
        f"Put version {target['id']} into service?",
        "" if current is None else f"Version {current['version']} is in service now.",
        found,
        f"Put version {target['id']} into service",
        f"/model/versions/{target['id']}/promote",
        f"/model/versions/{target['id']}",
    )


def going_back(target: Answer, current: Answer) -> Step:
    """Return what going back to the version before will do."""
    return Step(
        f"Go back to version {target['id']}?",
        f"Version {current['version']} is in service now; version {target['id']} was before it.",
        _consequences(target, current),
        f"Go back to version {target['id']}",
        "/model/rollback",
        "/model/versions",
    )


def _consequences(target: Answer, current: Answer | None) -> tuple[str, ...]:
    found = [
        f"Everybody is scored by version {target['id']} in a job; until it ends, the scores in force stay as they are."
    ]
    if current is not None:
        found.append(f"Version {current['version']} is kept, with its card, and can be put back at any time.")
        if current["calibrated"] and not target["calibrated"]:
            found.append(
                "Percentages will be withheld, and with them expected churners and revenue at risk: this version only ranks."
            )
        elif target["calibrated"] and not current["calibrated"]:
            found.append("Percentages will be shown; the version in service now only ranks.")
        if current["kind"] != target["kind"]:
            found.append(
                f"The kind changes from “{model_view.KINDS[str(current['kind'])]}” to “{model_view.KINDS[str(target['kind'])]}”, and with it what a score says."
            )
    found.append("Bands and lists follow the new scores. The change is written into the audit with your name.")
    return tuple(found)
