"""Reports: written for every kind of night, and the same when written again."""

from typing import Any

import pytest
from botocore.exceptions import EndpointConnectionError
from nightloom.core.errors import StoreError
from nightloom.core.manifests import manifest_key
from nightloom.core.s3 import Bucket
from nightloom.core.settings import get_settings
from nightloom.core.store import ObjectStore
from nightloom.reports.document import ReportFacts, read_facts
from nightloom.reports.write import report_path, write_report

from tests.factories.report_nights import PLANS


def test_report_is_the_same_when_written_again(full, write) -> None:
    assert write() == write()


def test_copies_lie_under_the_var_folder(store, night, full, write, var_dir) -> None:
    report = write()
    path = report_path("support_triage", night)
    assert path == var_dir / "reports" / "support_triage" / "2026-11-23.html"
    assert path.read_bytes() == store.get_blob(report.provenance.html)
    assert path.with_suffix(".json").read_bytes() == store.get_blob(report.content.facts)
    assert sorted(each.name for each in path.parent.iterdir()) == ["2026-11-23.html", "2026-11-23.json"]


def test_what_training_cost_is_told_by_the_device(store, nights, night, write, monkeypatch) -> None:
    nights.prepare(night)
    nights.finetune(night, plans=PLANS)
    monkeypatch.setenv("NIGHTLOOM_PRICES", '{"NVIDIA H100": 3.6, "NVIDIA": 1}')
    get_settings.cache_clear()
    facts = read_facts(store, write())
    assert [facts.sections[name]["cost"] for name in ("training", "trials")] == [0.0742, 0.3784]
    assert facts.sections["trials"]["seconds"] == 378.4


@pytest.mark.parametrize("until", ["nothing", "prepare", "finetune"])
def test_report_of_a_night_that_ended_early_has_what_there_is(store, nights, night, write, until: str) -> None:
    if until != "nothing":
        nights.prepare(night)
    if until == "finetune":
        nights.finetune(night, "INCONCLUSIVE")
    sections = read_facts(store, write()).sections
    has = [name in sections for name in ("rows", "comparison", "predictions")]
    assert has == [until != "nothing", until == "finetune", False]


def test_manifest_that_is_gone_is_named_and_costs_nothing_else(store, s3, nights, night, write) -> None:
    preparation = nights.prepare(night)
    nights.finetune(night)
    del s3.objects["prefix/" + manifest_key("preparation", preparation.id)]
    facts = read_facts(store, write())
    assert facts.conclusion == "promoted"
    assert "expectations" not in facts.sections
    assert facts.unreadable[0].startswith(f"preparation {preparation.id[:12]}: preparation {preparation.id} is not")


def test_store_that_is_down_leaves_the_copy(s3, registry, recipe, night, full) -> None:
    class Down:
        meta = s3.meta
        asked = 0

        def __getattr__(self, _name: str) -> Any:
            Down.asked += 1
            raise EndpointConnectionError(endpoint_url="memory")

    with pytest.raises(StoreError):
        write_report(ObjectStore(Bucket(Down(), "bucket")), registry, recipe, night=night)
    facts = ReportFacts.model_validate_json(report_path("support_triage", night).with_suffix(".json").read_bytes())
    assert facts.conclusion == "not_promoted"
    assert facts.unreadable[0].startswith("the object store could not read manifests/")
    assert Down.asked < 8


def test_full_disk_does_not_keep_the_report_from_the_store(store, full, write, var_dir, caplog) -> None:
    var_dir.mkdir()
    (var_dir / "reports").write_text("a file where the folder should be")
    assert read_facts(store, write()).conclusion == "promoted"
    assert "no copy of the report" in caplog.text
