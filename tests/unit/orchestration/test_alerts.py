"""Alerts: one log line, and a message on the recipe's channel."""

import logging
import sys
from typing import Any

import pytest
from nightloom.core.errors import FaultError, InputError
from nightloom.orchestration import alerts
from nightloom.orchestration.alerts import make_notifier, send_alert

from .test_deadlines import make_recipe


def test_alert_is_one_log_line(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        send_alert(make_recipe(), "2026-11-23", "prepare failed: the source is down", {})  # type: ignore[typeddict-item]
    (record,) = caplog.records
    assert record.getMessage().startswith(
        "ALERT triage, night 2026-11-23, needs attention from support: prepare failed: the source is down. Report: "
    )
    assert record.getMessage().endswith("/nightloom/dags/triage__report/nights/2026-11-23/report")


def test_mail_goes_to_recipe_addresses() -> None:
    recipe = make_recipe(alerts={"channel": "email", "connection": "mailer", "to": ["a@example.org", "b@example.org"]})
    notifier: Any = make_notifier(recipe, "subject", "1 < 2")
    assert (notifier.to, notifier.subject, notifier.smtp_conn_id, notifier.html_content) == (
        ["a@example.org", "b@example.org"],
        "subject",
        "mailer",
        "1 &lt; 2",
    )


def test_missing_provider_names_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "airflow.providers.slack.notifications.slack", None)
    recipe = make_recipe(alerts={"channel": "slack", "to": ["#support"]})
    with pytest.raises(InputError, match="run `pip install apache-airflow-providers-slack`, or write `channel: log`"):
        make_notifier(recipe, "subject", "text")


def test_alerts_without_recipient_are_refused() -> None:
    with pytest.raises(InputError, match=r"write `to: \[\.\.\.\]` under `alerts` in its file"):
        make_notifier(make_recipe(alerts={"channel": "email"}), "subject", "text")


def test_failing_channel_raises_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    class Refusing:
        def notify(self, _context: object) -> None:
            msg = "connection refused"
            raise OSError(msg)

    monkeypatch.setattr(alerts, "make_notifier", lambda *_: Refusing())
    recipe = make_recipe(alerts={"channel": "email", "to": ["a@example.org"]})
    with pytest.raises(FaultError, match="alert not sent by email: OSError: connection refused"):
        send_alert(recipe, "2026-11-23", "late", {})  # type: ignore[typeddict-item]
