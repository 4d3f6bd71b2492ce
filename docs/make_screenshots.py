"""Screenshots of a finished night, made by a headless Chromium: `python docs/make_screenshots.py [RECIPE]`.

Needs services that are up (`make nightly`), a Chromium, and playwright. Writes docs/images/*.png.
"""

import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

from nightloom.core.settings import get_settings
from nightloom.embedded.airflow_api import AirflowApi
from nightloom.embedded.instance import ADMIN, Instance, open_instance
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

IMAGES = Path(__file__).parent / "images"
DESKTOP = {"width": 1400, "height": 860}
PHONE = {"width": 390, "height": 844}
# What Airflow's pages draw after their last request.
SETTLE_MS = 1500
TIMEOUT_MS = 120_000


def main() -> None:
    """Take every picture."""
    recipe = sys.argv[1] if len(sys.argv) > 1 else "support_triage"
    instance = open_instance(get_settings().var_dir, keep_ports=True)
    api = AirflowApi.of(instance)
    finetune, report = (api.runs(f"{recipe}__{stage}", state="success")[0] for stage in ("finetune", "report"))
    IMAGES.mkdir(exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"),
            args=["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking"],
        )
        with logged_in(browser, instance, viewport=DESKTOP) as context:
            picture_report_tab(context.new_page(), f"/dags/{recipe}__report/runs/{quote(report.run_id)}")
            picture_trigger_form(context.new_page(), f"/dags/{recipe}__prepare")
            # The last one: Airflow remembers that graphs are to be shown.
            picture_graph(context.new_page(), f"/dags/{recipe}__finetune/runs/{quote(finetune.run_id)}")
        with logged_in(browser, instance, viewport=PHONE, color_scheme="dark", device_scale_factor=2) as context:
            run = quote(report.run_id, safe="")
            picture_phone(context.new_page(), f"/nightloom/dags/{recipe}__report/runs/{run}/report")
        browser.close()


@contextmanager
def logged_in(browser: Browser, instance: Instance, **options: Any) -> Iterator[BrowserContext]:
    """Open a browser of its own for somebody who is logged in."""
    context = browser.new_context(base_url=instance.airflow_url, **options)
    context.set_default_timeout(TIMEOUT_MS)
    expect.set_options(timeout=TIMEOUT_MS)
    page = context.new_page()
    page.goto("/")
    page.fill("input[name=username]", ADMIN)
    page.fill("input[name=password]", instance.secrets["admin_password"])
    page.click("button[type=submit]")
    page.wait_for_url("**/")
    page.close()
    yield context
    context.close()


def picture_graph(page: Page, path: str) -> None:
    """Show the Dag's tasks and how they ended."""
    page.goto(path)
    page.get_by_role("button", name="Show Graph").click()
    page.get_by_role("button", name="Collapse Details Panel").click()
    expect(page.get_by_text("announce_champion").first).to_be_visible()
    save(page, "dag-graph.png")


def picture_report_tab(page: Page, path: str) -> None:
    """Show the report as a tab of the Dag run."""
    page.goto(f"{path}/plugin/nightloom_report")
    expect(page.frame_locator("iframe").locator("h1").first).to_be_visible()
    save(page, "report-in-airflow.png")


def picture_trigger_form(page: Page, path: str) -> None:
    """Show the form that starts a night by hand."""
    page.goto(path)
    page.get_by_role("button", name="Trigger").click()
    expect(page.get_by_role("dialog").get_by_text("Night", exact=True)).to_be_visible()
    save(page, "trigger-form.png")


def picture_phone(page: Page, path: str) -> None:
    """Show the report alone, as it looks on a telephone at night."""
    page.goto(path)
    save(page, "report-on-a-phone.png")


def save(page: Page, name: str) -> None:
    """Wait until nothing moves, and write the picture."""
    page.mouse.move(0, 0)
    page.wait_for_load_state("networkidle")
    page.wait_for_timeout(SETTLE_MS)
    page.screenshot(path=IMAGES / name)
    print(f"docs/images/{name}")  # noqa: T201  # a script for people


if __name__ == "__main__":
    main()
