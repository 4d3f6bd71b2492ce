"""Airflow's UI in a headless Chromium, as a person uses it."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager

from nightloom.embedded.instance import ADMIN
from playwright.sync_api import Page, expect, sync_playwright

from .installation import Installation

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")


# Of a machine that is busy with the nights of other tests.
TIMEOUT_MS = 120_000


@contextmanager
def logged_in(installation: Installation, path: str) -> Iterator[Page]:
    """Open a page of the UI, and log in by the form that is shown first."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM,
            args=["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking"],
        )
        # Without a GPU, drawing what moves while a page waits takes most of a core.
        page = browser.new_page(
            base_url=installation.instance.airflow_url,
            viewport={"width": 1400, "height": 900},
            reduced_motion="reduce",
        )
        page.set_default_timeout(TIMEOUT_MS)
        expect.set_options(timeout=TIMEOUT_MS)
        page.goto(path)
        page.fill("input[name=username]", ADMIN)
        page.fill("input[name=password]", installation.instance.secrets["admin_password"])
        page.click("button[type=submit]")
        expect(page.get_by_role("link", name="Dags", exact=True)).to_be_visible()
        yield page
        browser.close()


def trigger_in_a_browser(installation: Installation, dag_id: str) -> None:
    """Start a run with the form left empty; without a browser, by what the form sends."""
    if CHROMIUM is None:
        installation.trigger(dag_id)
        return
    with logged_in(installation, f"/dags/{dag_id}") as page:
        page.get_by_role("button", name="Trigger").click()
        form = page.get_by_role("dialog")
        expect(form.get_by_text("Night", exact=True)).to_be_visible()
        form.get_by_role("button", name="Trigger").click()
        # It closes when the run is made; while the database is locked, the form asks again by itself.
        expect(form).to_be_hidden()
