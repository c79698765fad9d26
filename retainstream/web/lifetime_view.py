"""What the page of lifetime values shows: total, tenths, plans, who is worth most, and predicted against actual, from the services' answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from retainstream.lib import clock
from retainstream.lib.money import exponent, money
from retainstream.services.lifetime.reading import Part, Standing
from retainstream.services.lifetime.terms import PURCHASES
from retainstream.web.charts import Axes, Tick, round_ticks
from retainstream.web.revenue_words import amount, tick
from retainstream.web.template_tools import cash, day, last_day, percent, whole

PAGE = "/revenue/lifetime"
_NOTED = 0.05  # so far off that a reader of the total has to know
Answer = Mapping[str, Any]


@dataclass(frozen=True)
class PartView:
    """Some customers; `width` is their mean value as a length in per cent of the largest mean."""

    title: str
    count: int
    address: str
    mean: str
    spread: str
    total: str
    share: str
    width: str


@dataclass(frozen=True)
class PersonView:
    """One customer's value with its interval."""

    user_id: str
    value: str
    interval: str
    alive: str
    purchases: str


@dataclass(frozen=True)
class Dot:
    """A tenth of the check in the drawing's units: expected against came, with the interval of what came; `address` opens its customers."""

    x: float
    y: float
    low: float
    high: float
    words: str
    address: str


@dataclass(frozen=True)
class CheckLine:
    """A tenth of the check as a line of the table."""

    title: str
    count: int
    address: str
    predicted: str
    actual: str
    interval: str


@dataclass(frozen=True)
class CheckView:
    """The check: the finding, the drawing, the tenths, and sentences about the errors."""

    title: str
    note: str
    label: str
    currency: str
    axes: Axes
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    ideal: str
    dots: tuple[Dot, ...]
    lines: tuple[CheckLine, ...]
    sentences: tuple[str, ...]
    narrow: CheckView | None = None


@dataclass(frozen=True)
class LifetimeView:
    """The page. `kpis` are (label, figure, note, address); `alive_title` and `purchases_title` say what these mean for this kind of contract."""

    headline: str
    lead: str
    kpis: tuple[tuple[str, str, str, str], ...]
    tenths_title: str
    tenths: tuple[PartView, ...]
    plans: tuple[PartView, ...]
    people: tuple[PersonView, ...]
    alive_title: str
    purchases_title: str
    check: CheckView | None
    unchecked: str
    method: tuple[str, ...]


def view(found: Standing, items: Sequence[Answer]) -> LifetimeView:
    """Return the page."""
    currency, terms, total = found.currency, found.terms, found.summary["total"]
    bought = found.summary["contract"] == PURCHASES
    low, high = (amount(round(total[name]), currency) for name in ("low", "high"))
    months = _months(terms["months"])
    share = found.top.value_minor / found.total_minor if found.total_minor else 0.0
    mean = found.total_minor / found.n if found.n else 0
    return LifetimeView(
        headline=f"The next {months} are worth {amount(round(total['value']), currency)}: between {low} and {high}",
        lead=f"{whole(found.n)} {'buyers' if bought else 'subscribers'}, data to {last_day(clock.iso(found.as_of))};"
        f" {percent(terms['margin'], 0)} of what they pay as margin, discounted by {terms['annual_discount']:.0%} a year.",
        kpis=(
            ("Together", amount(round(total["value"]), currency), f"{low} to {high}, 95% interval", ""),
            ("A customer on average", amount(round(mean), currency, exact=True), f"over {months}", ""),
            ("The most valuable tenth", percent(share, 0), f"{whole(found.top.n)} customers", _address("top10")),
        ),
        tenths_title=f"The tenth of customers worth most brings {percent(share, 0)} of it",
        tenths=_parts(found, found.tenths[::-1]),
        plans=_parts(found, found.plans) if len(found.plans) > 1 else (),
        people=tuple(_person(item) for item in items),
        alive_title="Still a buyer" if bought else f"There in {months}",
        purchases_title="Purchases expected" if bought else "Months paid",
        check=None if found.check is None else _check(found, found.check),
        unchecked=found.summary["unchecked"],
        method=_method(found),
    )


def _months(count: int) -> str:
    return "month" if count == 1 else f"{count} months"


def _address(key: str) -> str:
    return f"/customers?{urlencode({'cell': f'lifetime:{key}', 'status': 'all'})}"


def _parts(found: Standing, parts: Sequence[Part]) -> tuple[PartView, ...]:
    currency = found.currency
    means = [part.value_minor / part.n if part.n else 0.0 for part in parts]
    most = max(means, default=0.0) or 1.0
    return tuple(
        PartView(
            part.title,
            part.n,
            _address(part.key),
            amount(round(mean), currency, exact=True),
            f"{amount(part.least_minor, currency)} to {amount(part.most_minor, currency)}",
            amount(part.value_minor, currency),
            percent(part.value_minor / found.total_minor if found.total_minor else 0.0, 0),
            f"{max(100 * mean / most, 0.5):.1f}%",
        )
        for part, mean in zip(parts, means, strict=True)
    )


def _person(item: Answer) -> PersonView:
    return PersonView(
        str(item["user_id"]),
        cash(item["value"]),
        "–" if item["low"] is None else f"{cash(item['low'], short=True)} to {cash(item['high'], short=True)}",
        percent(item["p_alive"], 0),
        "–" if item["expected_purchases"] is None else f"{item['expected_purchases']:.1f}",
    )


def _check(found: Standing, check: Answer) -> CheckView:
    wide = _drawn(found, check, 640.0)
    narrow = _drawn(found, check, 340.0)
    return CheckView(**{**vars(wide), "narrow": narrow})


def _drawn(found: Standing, check: Answer, width: float) -> CheckView:
    currency, judged = found.currency, check["money"]
    counts = dict(found.checked)
    parts = judged["parts"]
    top = 1.08 * max(max(part["predicted"], part["actual"], part["high"] or 0.0) for part in parts) or 1.0
    axes = Axes((0.0, top), (0.0, top), width=width, height=300.0)
    unit = 10 ** exponent(currency)
    ticks = tuple(Tick(at * unit, tick(at * unit, currency)) for at in round_ticks(0.0, top / unit, 4))
    dots, lines = [], []
    for part in parts:
        low, high = part["low"], part["high"]
        ends = (part["actual"] if low is None else max(low, 0.0), part["actual"] if high is None else high)
        said = [amount(round(value), currency, exact=True) for value in (part["predicted"], part["actual"], *ends)]
        n = counts.get(part["part"], part["n"])
        where = _address(f"check-{part['part']}") if counts else ""
        words = f"expected {said[0]}, came {said[1]} ({said[2]} to {said[3]}), {whole(n)} customers"
        dots.append(
            Dot(
                axes.across(part["predicted"]),
                axes.up(part["actual"]),
                axes.up(ends[0]),
                axes.up(ends[1]),
                words,
                where,
            )
        )
        lines.append(CheckLine(_tenth(part["part"]), n, where, said[0], said[1], f"{said[2]} to {said[3]}"))
    came, expected = (amount(round(judged[name]), currency) for name in ("actual", "predicted"))
    days = f"{day(clock.iso(check['from']))} to {day(clock.iso(check['to']))}"
    return CheckView(
        title=f"When it could be checked, {expected} was expected and {came} came",
        note=f"{days}, {whole(judged['n'])} customers in tenths",
        label=f"Expected against actual by tenth of customers: {expected} expected in all, {came} came.",
        currency=currency,
        axes=axes,
        x_ticks=ticks,
        y_ticks=ticks,
        ideal=axes.line([(0.0, 0.0), (top, top)]),
        dots=tuple(dots),
        lines=tuple(reversed(lines)),
        sentences=_errors(check, currency),
    )


def _tenth(number: int) -> str:
    return {1: "Least expected", 10: "Most expected"}.get(number, f"Tenth {number}")


def _errors(check: Answer, currency: str) -> tuple[str, ...]:
    judged, bought = check["money"], check["purchases"]
    mae, plain = (cash(money(round(judged[name]["value"]), currency)) for name in ("mae", "baseline_mae"))
    nearer = _nearer(judged)
    missed = judged["actual"] / judged["predicted"] - 1 if judged["predicted"] else 0.0
    off = judged["baseline"] / judged["actual"] - 1 if judged["actual"] else 0.0
    total, typical, plainly = (
        cash(money(round(judged[name]), currency), short=True) for name in ("baseline", "rmse", "baseline_rmse")
    )
    said = [
        f"To expect that everybody goes on as until then would have said {total}, {abs(off):.0%} too {'much' if off > 0 else 'little'}.",
        (
            f"For a single customer the mean error was {mae}, of that plain expectation {plain}: the prediction was {nearer}."
            f" In the mean square, which large errors weigh in: {typical} against {plainly}."
        ),
    ]
    if abs(missed) >= _NOTED:
        said.insert(
            0,
            f"In all {abs(missed):.0%} {'more' if missed > 0 else 'less'} came than was expected. The interval of the total above holds chance, not such an error"
            " of the model: allow for it.",
        )
    if not judged["better"] and judged["rmse"] < judged["baseline_rmse"] and abs(missed) < abs(off):
        said.append(
            "Most stay as they are, and to expect just that is right for most; the prediction is better for those who do not, and in the total."
        )
    if judged["covered"] is not None:
        said.append(f"{percent(judged['covered'], 0)} of customers ended within their own 95% interval.")
    if bought is not None:
        said.append(
            f"In purchases: {whole(bought['predicted'])} expected, {whole(bought['actual'])} came; mean error {bought['mae']['value']:.2f} a customer"
            f" against {bought['baseline_mae']['value']:.2f} for the rate of the past."
        )
    said.append(f"How it was predicted: {check['method']}")
    return tuple(said)


def _nearer(judged: Answer) -> str:
    if judged["better"]:
        return "nearer, beyond chance"
    return "further off, beyond chance" if judged["difference"]["low"] > 0 else "no nearer than chance allows"


def _method(found: Standing) -> tuple[str, ...]:
    summary = found.summary
    said = [f"{summary['method']}"]
    told = summary["parameters"]
    if summary["contract"] == PURCHASES:
        said.insert(
            0,
            "There are purchases and no contracts: how often customers come back is told by the BG/NBD model, what they spend by Gamma-Gamma (Fader, Hardie"
            " and Lee 2005), both fitted to this box's own purchases.",
        )
    else:
        by_model = told["by_model"]
        how = (
            f"{whole(by_model)} by the churn model (version {told['model_version']})"
            if by_model
            else "nobody by a churn model"
        )
        said.insert(
            0,
            f"Customers pay by the month: a value is the chance of still being there at the end of each month times the month's margin; {how},"
            f" {whole(told['by_curve'])} by survival curves.",
        )
    said.append(
        "A single customer's interval is wide because it holds that customer's luck; in the total luck evens out."
    )
    return (*said, *summary["notes"])
