"""Figures: matplotlib's SVG inside the page, with the page's colours, real text, and the same bytes each time."""

import io
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, NamedTuple, get_args

from markupsafe import Markup

from nightloom.artifacts.data import Outcome
from nightloom.artifacts.results import ROLES

# As wide as a phone, where text drawn at eleven units is eleven pixels high.
_WIDTH = 360

# Each of these unused colours is replaced by a variable of the page, so that figures follow light and dark.
_VARIABLES = ("ink", "muted", "rule", "card", *ROLES, *get_args(Outcome))
COLOURS = {name: f"#{number:02x}0000" for number, name in enumerate(_VARIABLES, start=1)}

_MARKS = {
    "candidate": "M5 .5a4.5 4.5 0 1 1 0 9 4.5 4.5 0 0 1 0-9z",
    "champion": "M5 0 10 5 5 10 0 5z",
    "baseline": "M1 1h8v8h-8z",
    "linear_classifier": "M5 .5 10 9.5H0z",
}
_SQUARE = "M0 0h10v10h-10z"

_STYLE = {
    "svg.fonttype": "none",
    "text.parse_math": False,
    "font.size": 11.0,
    "axes.edgecolor": COLOURS["rule"],
    "axes.labelcolor": COLOURS["muted"],
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "axes.facecolor": "none",
    "figure.facecolor": "none",
    "text.color": COLOURS["ink"],
    "xtick.major.size": 0,
    "ytick.major.size": 0,
    "xtick.color": COLOURS["rule"],
    "ytick.color": COLOURS["rule"],
    "xtick.labelcolor": COLOURS["muted"],
    "ytick.labelcolor": COLOURS["muted"],
    "grid.color": COLOURS["rule"],
    "grid.linewidth": 0.8,
    "lines.linewidth": 1.8,
}


class Margins(NamedTuple):
    """Space around the axes of a figure."""

    left: float
    right: float
    top: float
    bottom: float


@dataclass(slots=True)
class Drawing:
    """A figure while it is drawn. `svg` is set at the end of the `draw` block."""

    axes: Any
    svg: Markup = field(default_factory=Markup)


@contextmanager
def draw(name: str, height: float, margins: Margins) -> Iterator[Drawing]:
    """Draw on axes within the block. The figure is 360 units wide.

    Args:
        name: Name that no other figure of the page has, so that ids are unique.
        height: Height of the whole figure.
        margins: Space around the axes.
    """
    # Not pyplot, which keeps global state between figures.
    import matplotlib as mpl
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    with mpl.rc_context({**_STYLE, "svg.hashsalt": name}), warnings.catch_warnings():
        # matplotlib's own font lacks some letters. The reader's browser has them.
        warnings.simplefilter("ignore", UserWarning)
        figure = Figure(figsize=(_WIDTH / 72, height / 72))
        FigureCanvasSVG(figure)
        across, upwards = margins.left + margins.right, margins.top + margins.bottom
        inner = (margins.left / _WIDTH, margins.bottom / height, 1 - across / _WIDTH, 1 - upwards / height)
        done = Drawing(figure.add_axes(inner))
        yield done
        buffer = io.StringIO()
        figure.savefig(buffer, format="svg", metadata={"Date": None})
    done.svg = _embed(buffer.getvalue())


def label(text: str, most: int = 30) -> str:
    """Return a name on one line and of bounded length, for a figure."""
    shown = "".join(c if c.isprintable() else " " for c in text).strip()
    return shown if len(shown) <= most else shown[: most - 1] + "…"


def draw_mark(name: str) -> Markup:
    """Draw the mark of a role, or of anything else with a colour, for the key of a figure."""
    mark = '<svg viewBox="0 0 10 10" aria-hidden="true"><path d="{}" fill="var(--{})"/></svg>'
    return Markup(mark).format(_MARKS.get(name, _SQUARE), name)  # noqa: S704  # values are escaped


def _embed(svg: str) -> Markup:
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>|<style.*?</style>", "", svg, flags=re.DOTALL)
    svg = re.sub(r'<svg [^>]*?viewBox="([^"]*)"[^>]*>', r'<svg viewBox="\1" aria-hidden="true">', svg, count=1)
    # Ids of groups are the same in every figure, and nothing refers to them.
    svg = re.sub(r'<g id="[^"]*"', "<g", svg)
    svg = re.sub(r"font-family: [^;\"]*(?:; )?", "", svg)
    svg = re.sub(r' transform="rotate\(-?0 [^)]*\)"', "", svg)
    for name, colour in COLOURS.items():
        svg = svg.replace(colour, f"var(--{name})")
    return Markup(svg.strip())  # noqa: S704  # drawn here; matplotlib escapes the text in it
