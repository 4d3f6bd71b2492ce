"""Base: the parts of a report section."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Generic, TypeVar

from pydantic import AfterValidator, Field

from nightloom.core.manifests import Plain
from nightloom.reports.night import NightManifests
from nightloom.statistics.intervals import Interval

F = TypeVar("F", bound=Plain)

Rounded = Annotated[float, AfterValidator(lambda value: round(value, 6))]


@dataclass(frozen=True, slots=True)
class KeyNumber:
    """A number at the top of the page."""

    name: str
    value: str
    note: str


@dataclass(frozen=True, slots=True)
class Section(Generic[F]):
    """A section: its facts, typed and without the text of any row, and how the page shows them.

    Attributes:
        module: File of the module. It is named like the section, with the template `<name>.html.j2` next to it.
        title: Heading on the page.
        facts: Type of the facts.
        read: Return the facts of a night, or None if there is nothing to show.
        view: Return the template's other variables besides `facts` and `report`, such as figures.
        key_numbers: Return the section's numbers for the top of the page.
    """

    module: Path
    title: str
    facts: type[F]
    read: Callable[[NightManifests], F | None]
    view: Callable[[F], Mapping[str, Any]] = lambda _facts: {}
    key_numbers: Callable[[F], Iterable[KeyNumber]] = lambda _facts: ()

    @property
    def name(self) -> str:
        """The name of the section in the JSON and on the page."""
        return self.module.stem

    @property
    def template(self) -> str:
        """The Jinja template."""
        return self.module.with_suffix(".html.j2").read_text(encoding="utf-8")


class Estimate(Plain):
    """A measured number with its 95% interval."""

    value: Rounded
    low: Rounded | None = Field(description="None if there are too few values.")
    high: Rounded | None = Field(description="None if there are too few values.")
    n: int


def estimate(value: float, interval: Interval | None, n: int) -> Estimate:
    """Return a number with its interval, for the facts of a section."""
    low, high = (interval.low, interval.high) if interval else (None, None)
    return Estimate(value=value, low=low, high=high, n=n)
