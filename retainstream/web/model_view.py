"""The card of a model in words: what it is, what it can do, and what to think of it. Pure functions from the service's card; drawings are elsewhere."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from retainstream.web import model_charts, model_reach
from retainstream.web.model_charts import Plot
from retainstream.web.model_notes_view import Note, listed, notes, sentence_of
from retainstream.web.template_tools import last_day, moment, percent, whole

Answer = Mapping[str, Any]
KINDS = {"snapshot": "Snapshot", "forward": "Looks ahead", "simple_rule": "Simple rule"}
SHOWN_DRIVERS = 12
_KIND_NOTES = {
    "snapshot": "It says who resembles those who left; it cannot say when anybody would leave.",
    "forward": "It learnt from past dates and is judged on a later one that it never saw.",
    "simple_rule": "It learns nothing: customers are ranked by the time since their last activity.",
}
_WINDOWS = {"train": "Train", "calibrate": "Calibrate", "test": "Test", "judged": "Judged on"}
_METRICS = (
    ("auc", "AUC", 3, "How often a leaver ranks above a stayer, of pairs drawn at random; 0.5 is chance, 1 is perfect."),
    ("top_decile_lift", "Lift of the first tenth", 2, "How many times more leavers the first tenth holds than any tenth by chance."),
    ("pr_auc", "Average precision", 3, "Share of leavers in the list, averaged over how far down one reads; the base rate is chance."),
    ("log_loss", "Log loss", 4, "How far the percentages are from what happened; lower is better."),
    ("brier", "Brier score", 4, "Mean squared distance between percentage and outcome; lower is better."),
    ("ece", "Calibration error", 4, "How far predicted and observed shares differ on average, in ten equal groups."),
    ("calibration_slope", "Calibration slope", 2, "1 is right; below 1 the percentages are too extreme, above 1 too timid."),
    ("calibration_intercept", "Calibration intercept", 2, "0 is right; above 0 more leave than predicted, below 0 fewer."),
    ("precision", "Precision", 3, "Of those above the threshold at which reaching pays, the share that left."),
    ("recall", "Recall", 3, "Of those who left, the share above that threshold."),
)  # fmt: skip
_OF_PROBABILITIES = ("log_loss", "brier", "ece")


@dataclass(frozen=True)
class Metric:
    """One figure: its name, value and interval, and what it means in a sentence."""

    name: str
    value: str
    between: str
    meaning: str


@dataclass(frozen=True)
class WindowLine:
    """One part of the data window."""

    name: str
    dates: str
    n: str
    churned: str
    rate: str


@dataclass(frozen=True)
class RivalLine:
    """A simple rival beside the model. `verdict` is better, worse, or no clear difference."""

    title: str
    auc: str
    between: str
    difference: str
    difference_between: str
    verdict: str
    tone: str


@dataclass(frozen=True)
class DriverLine:
    """One feature with its share of what moves the scores, its bar, and the words for more and for less of it."""

    title: str
    share: str
    length: str
    up: str
    down: str


@dataclass(frozen=True)
class CardView:
    """Everything on the card of one version."""

    id: int
    kind: str
    kind_word: str
    headline: str
    lead: str
    badges: tuple[tuple[str, str], ...]
    facts: tuple[tuple[str, str], ...]
    windows: tuple[WindowLine, ...]
    metrics: tuple[Metric, ...]
    metrics_note: str
    kpis: tuple[Metric, ...]
    rivals: tuple[RivalLine, ...]
    rivals_title: str
    drivers: tuple[DriverLine, ...]
    drivers_note: str
    calibration: Plot | None
    stability: Plot | None
    notes: tuple[Note, ...]
    moves: tuple[tuple[str, str], ...]
    refused: bool
    champion: bool
    servable: bool


def card(told: Answer, sentence: str) -> CardView:
    """Return the card of a version.

    Parameters
    ----------
    told : mapping
        `services.model_card.card`'s answer.
    sentence : str
        Its churn definition in words.
    """
    report: Answer = told["report"] or {}
    title, lead = headline(told)
    return CardView(
        id=int(told["id"]),
        kind=str(told["kind"]),
        kind_word=KINDS.get(str(told["kind"]), str(told["kind"])),
        headline=title,
        lead=lead,
        badges=badges(told),
        facts=facts(told, sentence),
        windows=windows(report),
        metrics=metrics(told),
        metrics_note=metrics_note(report),
        kpis=kpis(told),
        rivals=(lines := rivals(report)),
        rivals_title=_rivals_title(lines),
        drivers=drivers(told),
        drivers_note=f"share of what moves the scores, {whole(report.get('n_features') or len(told['features']))} features in all",
        calibration=model_charts.calibration(report) if told["kind"] != "simple_rule" else None,
        stability=model_charts.stability(report),
        notes=notes(told),
        moves=tuple((moment(one["moved_at"]), str(one["reason"])) for one in told["moves"]),
        refused=not told["servable"],
        champion=bool(told["champion"]),
        servable=bool(told["servable"]),
    )


def headline(told: Answer) -> tuple[str, str]:
    """Return the honest verdict as a sentence, and what stands under it."""
    said = str((told["verdict"] or {}).get("message", ""))
    if not told["servable"]:
        return f"Version {told['id']} was refused.", said
    if told["kind"] == "simple_rule":
        return "No model yet: customers are ranked by how long they have been silent.", said
    report: Answer = told["report"] or {}
    tenth = model_reach.first_tenth(report)
    if tenth is None:
        return f"Version {told['id']} tells who leaves from who stays.", f"{said} {_KIND_NOTES[str(told['kind'])]}"
    share, between = tenth
    who = "those who left" if told["kind"] == "snapshot" else "churners"
    claim = f"finds {percent(share, 0)} of {who} among the first 10%"
    if told["calibrated"]:
        title = f"The model {claim}."
    else:
        title = f"It {_ranks(told['auc'])}, percentages withheld: it {claim}."
    return title, _lead(told, report, between)


def _ranks(auc: float | None) -> str:
    if auc is None or auc < 0.6:
        return "ranks a little"
    return "ranks well" if auc >= 0.7 else "ranks fairly"


def _lead(told: Answer, report: Answer, between: tuple[float, float] | None) -> str:
    parts = [
        f"By chance it would be 10%; the 95% interval is {percent(between[0], 0)} to {percent(between[1], 0)}."
        if between
        else ""
    ]
    if report.get("n"):
        parts.append(
            f"Judged on {whole(report['n'])} rows that it never saw, {whole(report.get('n_churned'))} of which left."
        )
    if told["kind"] == "snapshot":
        parts.append(_KIND_NOTES["snapshot"])
    reasons = (report.get("calibration") or {}).get("reasons") or ()
    if not told["calibrated"] and reasons:
        parts.append(f"Percentages are withheld because: {sentence_of(str(reasons[0]))}")
    if report.get("giveaways") or (told["data_window"] or {}).get("suspects"):
        parts.append("Read the notes below first: a feature seems to know the outcome.")
    even = [line for line in rivals(report) if line.verdict != "The model is better"]
    if even:
        parts.append(f"It is not clearly better than a simpler way: {listed([_lower(line.title) for line in even])}.")
    return " ".join(part for part in parts if part)


def badges(told: Answer) -> tuple[tuple[str, str], ...]:
    """Return the marks beside a version's name: words and tone."""
    found = [(KINDS.get(str(told["kind"]), str(told["kind"])), "")]
    if told["champion"]:
        found.append(("In service", "good"))
    if not told["servable"]:
        found.append(("Refused", "bad"))
    elif not told["calibrated"]:
        found.append(("Ranks only", "warn"))
    if told["aborted"]:
        found.append(("Ended early", "warn"))
    return tuple(found)


def facts(told: Answer, sentence: str) -> tuple[tuple[str, str], ...]:
    """Return what the version is: pairs of a label and its words."""
    window, report, definition = told["data_window"] or {}, told["report"] or {}, told["definition"]
    found = [
        ("Version", str(told["id"])),
        ("What churned means", f"{definition['name']}: {sentence}"),
        ("Kind", f"{KINDS.get(str(told['kind']), '')}. {_KIND_NOTES.get(str(told['kind']), '')}"),
        ("Data to", last_day(told["as_of"] or window.get("data_as_of"))),
        ("Rows", _rows(window)),
        (
            "Base rate",
            percent(report.get("base_rate") if report.get("base_rate") is not None else window.get("base_rate")),
        ),
        ("Trained", f"{moment(told['trained_at'])} by {told['trained_by'] or 'the box or a command'}"),
    ]
    if told["test_openings"]:
        times = int(told["test_openings"])
        found.append(
            ("Test window opened", "once" if times == 1 else f"{times} times; each look makes it a little less fair")
        )
    trials = (told["parameters"] or {}).get("trials")
    if trials:
        found.append(("Search", f"{trials} trials, seed {told['seed']}"))
    return tuple((label, words) for label, words in found if words not in ("", "–"))


def _rows(window: Answer) -> str:
    if not window.get("rows"):
        return ""
    people = f" of {whole(window['customers'])} customers" if window.get("customers") else ""
    return f"{whole(window['rows'])}{people}, {whole(window.get('churned'))} with the outcome “left”"


def windows(report: Answer) -> tuple[WindowLine, ...]:
    """Return the windows that the rows were split into by time; none for a snapshot."""
    return tuple(
        WindowLine(
            _WINDOWS.get(str(one["name"]), str(one["name"])),
            _span(one),
            whole(one["n"]),
            whole(one["n_churned"]),
            percent(one["base_rate"]),
        )
        for one in (report.get("forward") or {}).get("windows") or ()
    )


def _span(window: Answer) -> str:
    count = len(window["dates"])
    if count == 1:
        return f"{window['first']}, one date"
    return f"{window['first']} to {window['last']}, {count} dates"


def metrics(told: Answer) -> tuple[Metric, ...]:
    """Return the model's own figures with what each means; those of percentages only where these are shown."""
    own = (told["metrics"] or {}).get("xgboost") or {}
    found = []
    for key, name, digits, meaning in _METRICS:
        figure = own.get(key)
        if not figure or figure["value"] is None or (key in _OF_PROBABILITIES and not told["calibrated"]):
            continue
        found.append(Metric(name, _number(figure["value"], digits), _interval(figure, digits), meaning))
    return tuple(found)


def kpis(told: Answer) -> tuple[Metric, ...]:
    """Return the three or four figures that stand first; none where the version was not judged."""
    report, own = told["report"] or {}, metrics(told)
    if not own or report.get("base_rate") is None:
        return own[:2]
    rate = Metric(
        "Base rate",
        percent(report["base_rate"]),
        "",
        f"Left among the {whole(report.get('n'))} rows that it was judged on.",
    )
    if told["kind"] == "simple_rule" or not told["servable"]:
        return (*own[:2], rate)
    held = "shown" if told["calibrated"] else "withheld"
    why = "They held on rows that it never saw." if told["calibrated"] else "They did not hold; scores are ranks."
    return (*own[:2], rate, Metric("Percentages", held, "", why))


def metrics_note(report: Answer) -> str:
    """Return on what the figures were computed."""
    if not report.get("n"):
        return ""
    seen = "on the test window" if report.get("forward") else "out of fold"
    return (
        f"{whole(report['n'])} rows {seen}, 95% intervals from {whole(report.get('bootstraps'))} resamples by customer"
    )


def rivals(report: Answer) -> tuple[RivalLine, ...]:
    """Return the simple rivals, each with its paired difference in AUC."""
    found = []
    for one in report.get("rivals") or ():
        auc, gap = one["auc"], one["auc_difference"]
        if auc.get("value") is None or gap.get("value") is None:
            continue
        verdict, tone = "No clear difference", "warn"
        if gap.get("low") is not None and gap["low"] > 0:
            verdict, tone = "The model is better", "good"
        elif gap.get("high") is not None and gap["high"] < 0:
            verdict, tone = "The rival is better", "bad"
        found.append(
            RivalLine(
                str(one["title"]), f"{auc['value']:.3f}", _interval(auc, 3), f"{gap['value']:+.3f}".replace("-", "−"),
                _interval(gap, 3), verdict, tone,
            )
        )  # fmt: skip
    return tuple(found)


def _rivals_title(lines: Sequence[RivalLine]) -> str:
    better = sum(line.tone == "good" for line in lines)
    if better == len(lines):
        return "Better than every simple rival"
    return f"Clearly better than {better} of {len(lines)} simple rivals"


def drivers(told: Answer) -> tuple[DriverLine, ...]:
    """Return the strongest features; lengths are per cent of the strongest one's."""
    known = {str(one["name"]): one for one in told["features"]}
    items = [one for one in told["importance"] if one["share"] and one["share"] > 0][:SHOWN_DRIVERS]
    longest = max((one["share"] for one in items), default=1.0)
    found = []
    for one in items:
        feature = known.get(str(one["feature"]), {})
        found.append(
            DriverLine(
                str(feature.get("title") or one["feature"]),
                percent(one["share"], 1),
                f"{100 * one['share'] / longest:.1f}%",
                str(feature.get("wording_up") or ""),
                str(feature.get("wording_down") or ""),
            )
        )
    return tuple(found)


def _number(value: float, digits: int) -> str:
    """Return a figure with a true minus, and none before a zero."""
    words = f"{value:.{digits}f}".replace("-", "−")
    return words if words.strip("−0.") else words.removeprefix("−")


def _interval(figure: Answer, digits: int) -> str:
    if figure.get("low") is None or figure.get("high") is None:
        return ""
    return f"{_number(figure['low'], digits)} to {_number(figure['high'], digits)}"


def _lower(words: str) -> str:
    return words[:1].lower() + words[1:]
