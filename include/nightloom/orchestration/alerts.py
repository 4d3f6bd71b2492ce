"""Alerts: a message to a recipe's team, on its channel, about a night that needs attention."""

import logging
from html import escape
from importlib import import_module
from typing import TYPE_CHECKING

from nightloom.core.errors import FaultError, InputError, NightloomError
from nightloom.core.nights import parse_night
from nightloom.core.settings import get_settings
from nightloom.core.stages import STAGES
from nightloom.orchestration.dags import dag_id_of
from nightloom.orchestration.links import report_path
from nightloom.orchestration.steps import NightOperator
from nightloom.recipes.check import load_recipe
from nightloom.recipes.schema import Recipe
from nightloom.registry.database import open_database
from nightloom.registry.nights import read_outcome

if TYPE_CHECKING:
    from airflow.sdk import BaseNotifier, Context

logger = logging.getLogger(__name__)

# Channel → package to install, module of its notifier, and the notifier's argument for a connection.
_CHANNELS = {
    "slack": ("apache-airflow-providers-slack", "airflow.providers.slack.notifications.slack", "slack_conn_id"),
    "email": ("apache-airflow-providers-smtp", "airflow.providers.smtp.notifications.smtp", "smtp_conn_id"),
}


class AlertOperator(NightOperator):
    """Alert the recipe's team if a stage of the night failed."""

    def execute(self, context: "Context") -> None:
        """Read the outcomes, and send one alert that names every failed stage."""
        night = self.night_of(context)
        failures = list_failures(self.recipe, night)
        if failures:
            send_alert(load_recipe(self.recipe), night, "; ".join(failures), context)


def send_alerts() -> AlertOperator:
    """Return the task that alerts the team. It follows `announce`, and its failure fails the run."""
    operator = AlertOperator(task_id="send_alerts")  # type: ignore[call-arg]  # the rest: default_args
    operator.as_teardown(on_failure_fail_dagrun=True)
    return operator


def list_failures(recipe: str, night: str) -> list[str]:
    """Return a message for each failed stage of the night."""
    outcomes = (read_outcome(open_database(), recipe, parse_night(night), stage) for stage in STAGES)
    return [f"{o.stage} failed: {o.message}" for o in outcomes if o is not None and o.status == "failed"]


def send_alert(recipe: Recipe, night: str, what: str, context: "Context") -> None:
    """Log an alert, and send it on the recipe's channel.

    Raises:
        InputError: The channel's Airflow provider is not installed, or the recipe names no recipient.
        FaultError: The alert could not be sent.
    """
    url = (get_settings().airflow_url or "") + report_path(dag_id_of(recipe.name, "report"), night)
    text = f"{recipe.name}, night {night}, needs attention from {recipe.owner}: {what}. Report: {url}"
    logger.warning("ALERT %s", text)
    if recipe.alerts.channel == "log":
        return
    try:
        make_notifier(recipe, f"Nightloom: {recipe.name}, night {night}", text).notify(context)
    except NightloomError:
        raise
    except Exception as error:  # each channel's library raises other exceptions
        msg = f"alert not sent by {recipe.alerts.channel}: {type(error).__name__}: {error}"
        raise FaultError(msg) from error


def make_notifier(recipe: Recipe, subject: str, text: str) -> "BaseNotifier":
    """Return Airflow's notifier for the recipe's channel.

    Raises:
        InputError: The channel's Airflow provider is not installed, or the recipe names no recipient.
    """
    alerts = recipe.alerts
    if not alerts.to:
        msg = f"alerts of recipe {recipe.name} have no recipient; write `to: [...]` under `alerts` in its file"
        raise InputError(msg)
    package, module, connection_argument = _CHANNELS[alerts.channel]
    try:
        provider = import_module(module)
    except ImportError as error:
        msg = (
            f"recipe {recipe.name} alerts by {alerts.channel}, but that Airflow provider is not installed; "
            f"run `pip install {package}`, or write `channel: log`"
        )
        raise InputError(msg) from error
    connection = {connection_argument: alerts.connection} if alerts.connection else {}
    notifier: BaseNotifier
    if alerts.channel == "slack":
        notifier = provider.SlackNotifier(text=text, channel=alerts.to[0], **connection)
    else:
        notifier = provider.SmtpNotifier(to=list(alerts.to), subject=subject, html_content=escape(text), **connection)
    return notifier
