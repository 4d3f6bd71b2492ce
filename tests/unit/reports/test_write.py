"""Reports: written for every kind of night, and reproducible."""

from typing import Any

import pytest
from botocore.exceptions import EndpointConnectionError
from nightloom.core.errors import StoreError
from nightloom.core.manifests import manifest_key
from nightloom.core.s3 import Bucket
from nightloom.core.settings import get_settings
from nightloom.core.store import ObjectStore
from nightloom.reports.document import ReportData, read_report_data
from nightloom.reports.write import report_path, write_report

from tests.factories.report_nights import PLANS


def test_report_is_reproducible(full, write) -> None:
    assert write() == write()


def test_copies_are_in_var_folder(store, night, full, write, var_dir) -> None:
    report = write()
    path = report_path("support_triage", night)
    assert path == var_dir / "reports" / "support_triage" / "2026-11-23.html"
    assert path.read_bytes() == store.get_blob(report.provenance.html)
    assert path.with_suffix(".json").read_bytes() == store.get_blob(report.content.facts)
    assert sorted(each.name for each in path.parent.iterdir()) == ["2026-11-23.html", "2026-11-23.json"]


def test_training_cost_uses_device_price(store, nights, night, write, monkeypatch) -> None:
    nights.prepare(night)
    nights.finetune(night, plans=PLANS)
    monkeypatch.setenv("NIGHTLOOM_PRICES", '{"NVIDIA H100": 3.6, "NVIDIA": 1}')
    get_settings.cache_clear()
    report = read_report_data(store, write())
    assert [report.sections[name]["cost"] for name in ("training", "trials")] == [0.0742, 0.3784]
    assert report.sections["trials"]["seconds"] == 378.4


@pytest.mark.parametrize("until", ["nothing", "prepare", "finetune"])
def test_early_end_keeps_finished_sections(store, nights, night, write, until: str) -> None:
    if until != "nothing":
        nights.prepare(night)
    if until == "finetune":
        nights.finetune(night, "INCONCLUSIVE")
    sections = read_report_data(store, write()).sections
    has = [name in sections for name in ("rows", "comparison", "predictions")]
    assert has == [until != "nothing", until == "finetune", False]


def test_missing_manifest_is_listed(store, s3, nights, night, write) -> None:
    preparation = nights.prepare(night)
    nights.finetune(night)
    del s3.objects["prefix/" + manifest_key("preparation", preparation.id)]
    report = read_report_data(store, write())
    assert report.outcome == "promoted"
    assert "expectations" not in report.sections
    assert report.unreadable[0].startswith(f"preparation {preparation.id[:12]}: preparation {preparation.id} is not")


def test_copy_survives_store_failure(s3, registry, recipe, night, full) -> None:
    class Down:
        meta = s3.meta
        asked = 0

        def __getattr__(self, _name: str) -> Any:
            Down.asked += 1
            raise EndpointConnectionError(endpoint_url="memory")

    with pytest.raises(StoreError):
        write_report(ObjectStore(Bucket(Down(), "bucket")), registry, recipe, night=night)
    report = ReportData.model_validate_json(report_path("support_triage", night).with_suffix(".json").read_bytes())
    assert report.outcome == "not_promoted"
    assert report.unreadable[0].startswith("the object store could not read manifests/")
    assert Down.asked < 8


def test_full_disk_does_not_prevent_report(store, full, write, var_dir, caplog) -> None:
    var_dir.mkdir()
    (var_dir / "reports").write_text("a file where the folder should be")
    assert read_report_data(store, write()).outcome == "promoted"
    assert "report not copied to" in caplog.text
