"""Garbage: unreferenced objects are deleted after two grace periods, and nothing else is."""

from collections.abc import Callable
from datetime import date, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from nightloom.artifacts.answers import Answers, EngineKey
from nightloom.artifacts.blueprints import Blueprint, BlueprintProvenance, BlueprintSpec, TrialPlan
from nightloom.artifacts.data import Records, RecordsContent, Snapshot, SnapshotContent, SnapshotProvenance
from nightloom.artifacts.models import (
    Adapter,
    AdapterContent,
    AdapterProvenance,
    BaseModelContent,
    BaseModelManifest,
    BaseModelProvenance,
    Download,
    Import,
    ModelFile,
    ModelRef,
    TaskSpec,
)
from nightloom.artifacts.prompts import Prompt, PromptContent, PromptMessage, PromptProvenance
from nightloom.artifacts.results import Report, ReportContent, ReportProvenance
from nightloom.artifacts.training import Checkpoint, Tokens, Trial, TrialKey, TrialResult
from nightloom.core.errors import InputError, ManifestError, RegistryError
from nightloom.core.nights import utc_now
from nightloom.core.ownership import take_over_prefix
from nightloom.core.replacements import Replacement
from nightloom.core.store import ObjectStore, blob_key
from nightloom.core.trash import move_to_trash
from nightloom.registry.database import Database
from nightloom.registry.index import find_known, forget_manifests
from nightloom.registry.leases import take_lease
from nightloom.registry.members import add_member
from nightloom.registry.nights import begin_stage, end_stage
from nightloom.registry.rebuild import rebuild_index
from nightloom.registry.refs import move_ref
from nightloom.registry.stages import finish_stage
from nightloom.registry.tables import MemberRow
from nightloom.registry.trials import begin_trial, finish_trial, point_to_checkpoint
from nightloom.snapshots.garbage import collect_garbage, count_by_reason

NIGHT = date(2026, 11, 23)

Collect = Callable[..., dict[str, int]]


@pytest.fixture
def collect(store: ObjectStore, registry: Database) -> Collect:
    """Collect garbage some days from now, and count the objects by action."""

    def call(days: float = 0, *, dry_run: bool = False) -> dict[str, int]:
        now = utc_now() + timedelta(days=days)
        counts: dict[str, int] = {}
        for action, _, objects, _ in count_by_reason(collect_garbage(store, registry, now=now, dry_run=dry_run)):
            counts[action] = counts.get(action, 0) + objects
        return counts

    return call


TASK = TaskSpec(prompt="d" * 64, output="json", answer={"team": None}, field_order=("team",))
PLAN = TrialPlan(trainer="dummy", method="lora", lora={}, settings={}, seed=20)


def put_records(store: ObjectStore, text: bytes = b"rows") -> Records:
    return store.publish(Records(content=RecordsContent(rows=1, new_rows=1, parts=(store.put_blob(text),))))


def put_adapter(store: ObjectStore, blueprint: str = "b" * 64) -> Adapter:
    file = ModelFile(path="a.safetensors", sha256=store.put_blob(b"weights"), size_bytes=7)
    content = AdapterContent(base="c" * 64, method="lora", files=(file,))
    provenance = AdapterProvenance(blueprint=blueprint, trial=0)
    return store.publish(Adapter(content=content, provenance=provenance))


def put_trial(store: ObjectStore, snapshot: str, sample: str | None = None) -> Trial:
    result = TrialResult(
        adapter=put_adapter(store).id,
        steps=1,
        kept_step=1,
        examples=1,
        tokens=1,
        label_tokens=1,
        left_out=0,
        final_loss=0.5,
        seconds=1,
        tokens_per_second=1,
        curve=(),
        sample=sample,
    )
    return store.publish(
        Trial(
            key=TrialKey(snapshot=snapshot, base="c" * 64, task=TASK, plan=PLAN, code={}, packages={}),
            result=result,
        )
    )


def test_unnamed_object_is_trashed_then_deleted(store: ObjectStore, collect: Collect, s3: Any) -> None:
    records = put_records(store)
    assert collect() == {"kept": 2}
    assert collect(3) == {"into trash": 2}
    assert store.load(Records, records.id) == records
    assert collect(1) == {"waits in trash": 2}
    assert collect(3) == {"deleted": 2}
    assert list(s3.objects) == ["prefix/owner.json"]


def test_dry_run_touches_nothing(store: ObjectStore, collect: Collect, s3: Any) -> None:
    put_records(store)
    before = dict(s3.objects)
    assert collect(3, dry_run=True) == {"into trash": 2}
    assert {key: body for key, body in s3.objects.items() if "owner" not in key} == before


def name_by_ref(registry: Database, manifest: str) -> None:
    move_ref(registry, recipe="t", name="latest", expected=None, value=manifest, night=NIGHT, who="eva", why="test")


def name_by_earlier_ref(registry: Database, manifest: str) -> None:
    name_by_ref(registry, manifest)
    move_ref(registry, recipe="t", name="latest", expected=manifest, value="f" * 64, night=NIGHT, who="eva", why="-")


def name_by_night(registry: Database, manifest: str) -> None:
    end_stage(registry, "t", NIGHT, "prepare", "done", "done", manifest)


def name_by_unfinished_night(registry: Database, manifest: str) -> None:
    begin_stage(registry, "t", NIGHT, "prepare")
    add_member(registry, "t", NIGHT, "records", manifest)


def name_by_lease(registry: Database, manifest: str) -> None:
    take_lease(registry, f"prediction_plan/{manifest}", ["0"], "worker", timedelta(days=9))


@pytest.mark.parametrize(
    "name", [name_by_ref, name_by_earlier_ref, name_by_night, name_by_unfinished_night, name_by_lease]
)
def test_named_objects_are_kept(
    store: ObjectStore, registry: Database, collect: Collect, name: Callable[[Database, str], None]
) -> None:
    name(registry, put_records(store).id)
    assert collect(3) == {"kept": 2}


def put_checkpoint(store: ObjectStore, step: int) -> Checkpoint:
    trial = TrialKey(snapshot="5" * 64, base="c" * 64, task=TASK, plan=PLAN, code={}, packages={})
    file = ModelFile(path="adapter_model.safetensors", sha256=store.put_blob(b"step %d" % step), size_bytes=6)
    key = Checkpoint.Key(trial=trial, step=step, halvings=0)
    return store.publish(Checkpoint(key=key, result=Checkpoint.Result(files=(file,), seconds=1)))


def test_last_checkpoint_of_trial_is_kept(store: ObjectStore, registry: Database, collect: Collect, s3: Any) -> None:
    superseded, last = put_checkpoint(store, 1), put_checkpoint(store, 2)
    trial = Trial.id_of(last.key.trial)
    begin_trial(registry, trial, device="cpu")
    for one in (superseded, last):
        point_to_checkpoint(registry, trial, one.id)
    assert collect(3) == {"kept": 2, "into trash": 2}
    lying = [key for key in s3.objects if "trash/" not in key]
    assert [key for key in lying if superseded.id in key] == []
    assert [key for key in lying if last.id in key] != []
    finish_trial(registry, trial)
    assert collect(6) == {"into trash": 2, "deleted": 2}


def test_fetched_base_model_is_kept(store: ObjectStore, collect: Collect) -> None:
    file = ModelFile(path="model.safetensors", sha256=store.put_blob(b"weights"), size_bytes=7)
    identity, record = BaseModelContent(files=(file,)), BaseModelProvenance(source="org/name@main")
    base = store.publish(BaseModelManifest(content=identity, provenance=record))
    download = Download.Key(source="org/name", revision="a" * 40)
    store.publish(Download(key=download, result=Download.Result(base=base.id)))
    assert collect(3) == {"kept": 3}


def test_objects_in_a_report_are_kept(store: ObjectStore, registry: Database, collect: Collect) -> None:
    records = put_records(store)
    content = ReportContent(recipe="t", night="2026-11-23", facts=store.put_blob(b'{"id":"%s"}' % records.id.encode()))
    report = store.publish(Report(content=content, provenance=ReportProvenance(html=store.put_blob(b"<p>"))))
    end_stage(registry, "t", NIGHT, "report", "done", "done", report.id)
    assert collect(3) == {"kept": 5}


def test_cached_result_goes_with_its_key(store: ObjectStore, collect: Collect) -> None:
    put_trial(store, snapshot="b" * 64)
    assert collect(3) == {"into trash": 3}


def test_cached_result_stays_with_its_key(store: ObjectStore, collect: Collect) -> None:
    put_trial(store, snapshot="b" * 64)
    identity = BlueprintSpec(
        recipe="t",
        snapshot="b" * 64,
        base="c" * 64,
        task=TASK,
        trials=(PLAN,),
        primary="team",
        eval_sets=(),
        max_new_tokens=8,
        promote_on="better",
        margin=0.02,
        confidence=0.95,
        code={},
        packages={},
    )
    provenance = BlueprintProvenance(night="2026-11-23", packages={}, python="3.11", machine="x86_64")
    store.publish(Blueprint(content=identity, provenance=provenance))
    assert collect(3) == {"kept": 4}


def test_answers_live_with_model_and_rows(store: ObjectStore, registry: Database, collect: Collect) -> None:
    records = put_records(store)
    adapter = put_adapter(store)
    key = Answers.Key(
        engine=EngineKey(model=ModelRef(base="c" * 64, adapter=adapter.id), code="", packages={}),
        source=records.content.parts[0],
        number=0,
    )
    store.publish(Answers(key=key, result=Answers.Result(frame=store.put_blob(b"answers"), rows=1)))
    name_by_night(registry, records.id)
    assert collect(3) == {"kept": 2, "into trash": 4}
    name_by_ref(registry, adapter.id)
    assert collect(3) == {"kept": 2, "restored": 4}


def put_tokens(store: ObjectStore, snapshot: str, prompt: str, frame: str) -> Tokens:
    key = Tokens.Key(
        snapshot=snapshot,
        tokenizer="a" * 64,
        template="b" * 64,
        prompt=prompt,
        output="json",
        field_order=("team",),
        code="",
        packages={},
    )
    result = Tokens.Result(frames=(frame,), examples=1, tokens=3, learned_tokens=2, changed_answers=0)
    return store.publish(Tokens(key=key, result=result))


def test_token_ids_live_with_their_snapshot(store: ObjectStore, registry: Database, collect: Collect) -> None:
    content = SnapshotContent(rows_root="r" * 64, columns=(), splits={})
    provenance = SnapshotProvenance(files=(), recipe="t", night="2026-11-23", parent=None)
    snapshot = store.publish(Snapshot(content=content, provenance=provenance))
    messages = PromptContent(messages=(PromptMessage(role="user", content="{{ text }}"),))
    prompt = store.publish(Prompt(content=messages, provenance=PromptProvenance(name="t/1")))
    tokens = put_tokens(store, snapshot.id, prompt.id, store.put_blob(b"ids"))
    name_by_ref(registry, prompt.id)
    name_by_night(registry, snapshot.id)
    assert collect(3) == {"kept": 4}
    assert store.find(Tokens, tokens.key) == tokens
    name_by_night(registry, put_records(store).id)
    assert collect(3) == {"kept": 3, "into trash": 3}
    assert store.find(Tokens, tokens.key) is None


def test_prefix_of_other_registry_is_refused(store: ObjectStore, collect: Collect, s3: Any) -> None:
    put_records(store)
    take_over_prefix(store, "another")
    before = dict(s3.objects)
    with pytest.raises(
        InputError, match=r"prefix 'prefix/' .* belongs to another registry \(another\); set NIGHTLOOM_STORE"
    ):
        collect(9)
    assert s3.objects == before


@pytest.mark.parametrize("fault", ["unknown kind", "damaged"])
def test_damaged_manifest_collects_nothing(store: ObjectStore, collect: Collect, s3: Any, fault: str) -> None:
    records = put_records(store)
    collect()
    key = f"prefix/manifests/{'thing' if fault == 'unknown kind' else 'records'}/{records.id}.json"
    s3.objects[key] = b"{}"
    before = dict(s3.objects)
    with pytest.raises((InputError, ManifestError), match=r"which this Nightloom does not know|is not readable"):
        collect(9)
    assert s3.objects == before


def test_unindexed_manifest_stops_the_collection(
    store: ObjectStore, registry: Database, collect: Collect, s3: Any
) -> None:
    records = put_records(store)
    forget_manifests(registry, [records.id])
    before = dict(s3.objects)
    with pytest.raises(
        RegistryError, match=f"records {records.id}, so nothing is deleted; run `nightloom registry reb"
    ):
        collect(3)
    assert {key: body for key, body in s3.objects.items() if "owner" not in key} == before
    rebuild_index(store, registry)
    assert collect(3) == {"into trash": 2}


def test_new_unindexed_manifest_is_indexed(store: ObjectStore, registry: Database, collect: Collect) -> None:
    records = put_records(store)
    forget_manifests(registry, [records.id])
    assert collect() == {"kept": 2}
    assert find_known(registry, [records.id]) == {records.id}


def test_deleted_manifest_leaves_the_index(store: ObjectStore, registry: Database, collect: Collect) -> None:
    records = put_records(store)
    collect(3)
    assert find_known(registry, [records.id]) == {records.id}
    assert collect(6) == {"deleted": 2}
    assert find_known(registry, [records.id]) == set()


def test_killed_collections_entry_is_removed(store: ObjectStore, registry: Database, collect: Collect, s3: Any) -> None:
    records = put_records(store)
    s3.objects.clear()
    assert collect(3, dry_run=True) == {}
    assert find_known(registry, [records.id]) == {records.id}
    assert collect(3) == {}
    assert find_known(registry, [records.id]) == set()


def test_imported_adapter_is_kept(store: ObjectStore, registry: Database, collect: Collect) -> None:
    content = Import.Content(recipe="t", adapter=put_adapter(store).id, task=TASK)
    store.publish(Import(content=content, provenance=Import.Provenance(source="tuned", imported_at=utc_now())))
    assert collect(3) == {"kept": 3}


def test_stage_result_is_kept(store: ObjectStore, registry: Database, collect: Collect) -> None:
    """Three attempts: the first one's result is gone, the second one's is kept, the third is the last."""
    for try_, status in enumerate(("failed", "refused", "nothing_new")):
        records = put_records(store, b"rows of try %d" % try_)
        with registry.transaction() as session:
            session.execute(sa.delete(MemberRow))
        add_member(registry, "t", NIGHT, "records", records.id)
        finish_stage(store, registry, "t", NIGHT, "prepare", status, "-")  # type: ignore[arg-type]
        if try_ == 1:
            name_by_ref(registry, records.id)
    assert collect(3) == {"kept": 4, "into trash": 5}


def test_faster_writer_loses_nothing(
    store: ObjectStore, registry: Database, collect: Collect, s3: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A night finds an old blob, does not send it, and names it while it moves into the trash."""
    blob = store.put_blob(b"rows")
    written: list[Records] = []

    def copy(source: dict[str, str], bucket: str, key: str) -> None:
        if not written:
            written.append(put_records(store))
            name_by_night(registry, written[0].id)
        type(s3).copy(s3, source, bucket, key)

    monkeypatch.setattr(s3, "copy", copy)
    assert collect(3) == {"into trash": 1}
    assert not store.has_blob(blob)
    assert store.get_blob(written[0].content.parts[0]) == b"rows"
    assert collect(6) == {"kept": 1, "restored": 1}
    assert store.has_blob(blob)


def test_trashed_blob_outlives_its_manifest(store: ObjectStore, collect: Collect, s3: Any) -> None:
    """A night that finds the manifest may name it until it has waited in the trash too."""
    records = put_records(store)
    move_to_trash(store, blob_key(records.content.parts[0]))
    assert collect(3) == {"into trash": 1, "waits in trash": 1}
    assert store.get_blob(store.load(Records, records.id).content.parts[0]) == b"rows"
    assert collect(6) == {"deleted": 2}
    assert list(s3.objects) == ["prefix/owner.json"]


def test_slower_writer_sends_again(store: ObjectStore, registry: Database, collect: Collect) -> None:
    put_records(store)
    collect(3)
    name_by_night(registry, put_records(store).id)
    assert collect(6) == {"kept": 2, "deleted": 2}
    assert collect(6) == {"kept": 2}


def test_trashed_result_is_not_reused(store: ObjectStore, collect: Collect) -> None:
    """A night that found it would name an object that is about to be deleted."""
    records = put_records(store)
    collect(3)
    assert store.find(Records, records.content) is None
    assert store.load(Records, records.id) == records


def test_replaced_blob_is_deleted_immediately(store: ObjectStore, registry: Database, collect: Collect) -> None:
    records = put_records(store)
    name_by_night(registry, records.id)
    old, new = records.content.parts[0], store.put_blob(b"fewer rows")
    result = Replacement.Result(blob=new, erased=())
    store.publish(Replacement(key=Replacement.Key(blob=old), result=result))
    assert collect(3) == {"kept": 3, "erased": 1}
    assert store.get_blob(old) == b"fewer rows"
