"""Showing: roles and measured numbers as text, each number with its uncertainty."""

from dataclasses import dataclass, replace

from nightloom.artifacts.results import Comparison, Metric, Role, Scale


@dataclass(frozen=True, slots=True)
class Style:
    """How a number is written: factor, format and unit."""

    form: str = ".3f"
    times: float = 1
    unit: str = ""

    @property
    def signed(self) -> "Style":
        """The same style with a sign before each number."""
        return replace(self, form=f"+{self.form}")

    def show(self, value: float) -> str:
        """Return a number without its unit."""
        return f"{value * self.times:{self.form}}"


PLAIN = Style()
PER_CENT = Style(".1f", 100, "%")
POINTS = Style("+.1f", 100, " points")


def show_interval(value: float, low: float | None, high: float | None, style: Style = PLAIN) -> str:
    """Return a value with its interval, such as `0.912 [0.887, 0.932]` or `91.2% [88.7, 93.2]`."""
    return f"{style.show(value)}{style.unit} {show_bounds(low, high, style)}"


def show_bounds(low: float | None, high: float | None, style: Style = PLAIN) -> str:
    """Return an interval such as `[0.887, 0.932]`; an unknown bound is `?`."""
    return f"[{', '.join('?' if bound is None else style.show(bound) for bound in (low, high))}]"


def style_of(scale: Scale) -> Style:
    """Return the style of a scale in running text: rates as they are, others with their unit."""
    return PLAIN if scale.kind == "binary" else _style_real(scale)


def style_alone(scale: Scale) -> Style:
    """Return the style of a scale in a table: rates in per cent, others with their unit."""
    return PER_CENT if scale.kind == "binary" else _style_real(scale)


def style_difference(scale: Scale) -> Style:
    """Return the style of differences in a table: of rates in points, others with their unit."""
    return POINTS if scale.kind == "binary" else _style_real(scale).signed


def show_metric(metric: Metric) -> str:
    """Return a metric with its name, interval and n, such as `team 0.912 [0.887, 0.932] n=640`."""
    return f"{metric.name} {show_number(metric)}"


def show_number(metric: Metric) -> str:
    """Return a metric with its interval and n, such as `0.912 [0.887, 0.932] n=640`."""
    n = f"n={metric.n} ({metric.unscored} not scored)" if metric.unscored else f"n={metric.n}"
    if metric.value is None:
        return f"undefined {n}"
    return f"{show_interval(metric.value, metric.low, metric.high, style_of(metric.scale))} {n}"


def show_value(metric: Metric) -> str:
    """Return a metric with its interval for a table, such as `91.2% [88.7, 93.2]` or `412 ms [398, 431]`."""
    if metric.value is None:
        return "no item"
    return show_interval(metric.value, metric.low, metric.high, style_alone(metric.scale))


def show_difference(comparison: Comparison, style: Style) -> str:
    """Return a difference with its interval, such as `+0.021 [-0.006, +0.049]` or `+2.1 points [-0.6, +4.9]`."""
    return show_interval(comparison.difference, comparison.low, comparison.high, style)


def show_comparison(comparison: Comparison, metric: Metric | None) -> str:
    """Return a comparison in one line: the candidate's metric, if known, the difference and the finding."""
    ours = show_metric(metric) if metric else comparison.metric
    difference = show_difference(comparison, style_of(comparison.scale).signed)
    return f"{ours} against {show_role(comparison.against)}: {difference}: {comparison.finding}"


def show_role(role: Role) -> str:
    """Return a role in words."""
    return role.replace("_", " ")


def name_measure(metric: Metric) -> str:
    """Return what a metric measures, such as `team exact match` or `seconds in s`."""
    if metric.scale.kind == "real":
        return f"{metric.name} in {metric.scale.unit}" if metric.scale.unit else metric.name
    return metric.name if metric.name == metric.scale.unit else f"{metric.name} {metric.scale.unit}"


def _style_real(scale: Scale) -> Style:
    return Style(".4g", 1, f" {scale.unit}" if scale.unit else "")
