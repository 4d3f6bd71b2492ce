"""Data Docs: render the results of one run's suites with Great Expectations, as one self-contained HTML file.

The library's site builder is not used: it renders all older results again each time, and its pages load styles and
scripts from the network.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cache
from itertools import groupby

from jinja2 import Environment, PackageLoader, StrictUndefined, Template
from markupsafe import Markup

from nightloom.artifacts.data import Curated, Preparation
from nightloom.core.store import ObjectStore
from nightloom.registry.database import Database
from nightloom.registry.members import find_last
from nightloom.registry.nights import read_outcome
from nightloom.validation.suite_validator import Result


@dataclass(frozen=True, slots=True)
class _SuitePart:
    """Results of one suite."""

    name: str
    met: int
    expectations: int
    sections: tuple[Markup, ...]


def find_docs(store: ObjectStore, database: Database, recipe: str, night: date) -> str | None:
    """Return the blob of the Data Docs of a night, whatever its outcome, or None if there is none.

    Raises:
        StoreError: The store cannot be read.
        ManifestError: A manifest is damaged.
    """
    prepared = read_outcome(database, recipe, night, "prepare")
    if prepared and prepared.manifest:
        curated: str | None = store.load(Preparation, prepared.manifest).content.curated
    else:
        curated = find_last(database, recipe, night, "curated")
    return store.load(Curated, curated).provenance.docs if curated else None


def render_docs(results: Iterable[Result], title: str) -> bytes:
    """Return the page. Equal results give equal bytes, and the page holds no text of a row.

    Args:
        results: Results of all suites of the run, grouped by suite.
        title: Title of the page.
    """
    from great_expectations import __version__ as version

    parts = [_render_suite(name, list(group)) for name, group in groupby(results, lambda result: result.suite)]
    page = _open_template().render(title=title, suites=parts, version=version)
    return "\n".join(line.rstrip() for line in page.splitlines() if line.strip()).encode()


@cache
def _open_template() -> Template:
    environment = Environment(
        loader=PackageLoader("nightloom.validation", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("docs.html.j2")


def _render_suite(name: str, results: Sequence[Result]) -> _SuitePart:
    from great_expectations.core.expectation_validation_result import (
        ExpectationSuiteValidationResult,
        ExpectationValidationResult,
    )
    from great_expectations.expectations.expectation_configuration import ExpectationConfiguration
    from great_expectations.render.renderer.page_renderer import ValidationResultsPageRenderer
    from great_expectations.render.view import DefaultJinjaSectionView

    met = sum(result.success for result in results)
    document = ValidationResultsPageRenderer(run_info_at_end=True).render(
        ExpectationSuiteValidationResult(
            success=met == len(results),
            suite_name=name,
            statistics={
                "evaluated_expectations": len(results),
                "successful_expectations": met,
                "unsuccessful_expectations": len(results) - met,
                "success_percent": 100 * met / len(results),
            },
            meta={},
            results=[
                ExpectationValidationResult(
                    success=result.success,
                    expectation_config=ExpectationConfiguration(type=result.name, kwargs=dict(result.kwargs)),
                    result=_describe(result),
                    exception_info={"raised_exception": False, "exception_message": None, "exception_traceback": None},
                )
                for result in results
            ],
        )
    )
    # Leave out the first section, an overview with links to missing pages, and the last, about the run.
    sections = document.to_json_dict()["sections"][1:-1]
    view = DefaultJinjaSectionView()
    rendered = [
        view.render({"section": section, "section_loop": {"index": f"{name}-{number}"}})
        for number, section in enumerate(sections)
    ]
    return _SuitePart(name, met, len(results), tuple(Markup(each) for each in rendered))  # noqa: S704  # escaped there


def _describe(result: Result) -> dict[str, object]:
    if result.rows is None:
        return {"observed_value": result.measured}
    percent = 100 * result.unexpected / result.rows if result.rows else None
    return {"element_count": result.rows, "unexpected_count": result.unexpected, "unexpected_percent": percent}
