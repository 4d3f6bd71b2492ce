"""Base: what a section of the report is."""

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
    """One of the few numbers at the top of the page."""

    name: str
    value: str
    note: str


@dataclass(frozen=True, slots=True)
class Section(Generic[F]):
    """A section: what it tells, typed and without text of a row, and how that is shown.

    Attributes:
        module: File of its module. It has the section's name, and the template lies beside it as `<name>.html.j2`.
        title: Its heading.
        facts: Type of the facts.
        read: Reads them from what a night left; None if there is nothing to show.
        view: Makes of the facts what the template shows besides `facts` and the whole `report`, such as figures.
        key_numbers: Those of its numbers that are read first.
    """

    module: Path
    title: str
    facts: type[F]
    read: Callable[[NightManifests], F | None]
    view: Callable[[F], Mapping[str, Any]] = lambda _facts: {}
    key_numbers: Callable[[F], Iterable[KeyNumber]] = lambda _facts: ()

    @property
    def name(self) -> str:
        """The name of its facts in the document and of its place on the page."""
        return self.module.stem

    @property
    def template(self) -> str:
        """The Jinja template."""
        return self.module.with_suffix(".html.j2").read_text(encoding="utf-8")


class Estimate(Plain):
    """A measured number with its 95% interval."""

    value: Rounded
    low: Rounded | None = Field(description="None if there is too little to say.")
    high: Rounded | None = Field(description="None if there is too little to say.")
    n: int


def estimate(value: float, interval: Interval | None, n: int) -> Estimate:
    """Return a number with its interval as facts hold it."""
    low, high = (interval.low, interval.high) if interval else (None, None)
    return Estimate(value=value, low=low, high=high, n=n)
