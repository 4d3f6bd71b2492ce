import threading
from datetime import date

import pytest
from nightloom.artifacts.models import Adapter, AdapterContent, AdapterProvenance, Import, ModelFile, TaskSpec
from nightloom.base_models.dummy import DUMMY_FILE
from nightloom.core.digests import digest_bytes
from nightloom.core.errors import InputError
from nightloom.core.nights import compute_cut, utc_now
from nightloom.promotion.promote import Block, hold_back, promote, promote_by_hand, read_block, roll_back_champion
from nightloom.registry.nights import record_night
from nightloom.registry.refs import read_log_tail, read_ref

from tests.factories.manifests import BASE, make_verdict

MONDAY, TUESDAY = date(2026, 11, 23), date(2026, 11, 24)


@pytest.fixture
def dummies(store):
    """Three adapters, which have no weights to prove."""

    def publish(name):
        file = ModelFile(path=DUMMY_FILE, sha256=digest_bytes(name.encode()), size_bytes=1)
        content = AdapterContent(base=BASE, method="lora", files=(file,))
        return store.publish(Adapter(content=content, provenance=AdapterProvenance())).id

    return [publish(name) for name in "ABC"]


@pytest.fixture
def promote_on(registry):
    """Promote on a night that has begun."""

    def promote_on(candidate, champion, night=MONDAY, **verdict):
        record_night(registry, compute_cut("triage", night, "UTC"))
        made = make_verdict(candidate=candidate, champion=champion, night=str(night), **verdict)
        return promote(registry, made, night=night, who="cron")

    return promote_on


def test_verdict_moves_the_champion(registry, promote_on):
    promotion = promote_on("A", None)
    assert (promotion.moved, promotion.message) == (True, "better than the baseline")
    assert read_ref(registry, "triage", "champion") == "A"
    (move,) = read_log_tail(registry)
    assert (move.old, move.new, move.who, move.why) == (None, "A", "cron", "better than the baseline")
    assert move.cites == make_verdict(candidate="A").id


def test_refusal_moves_nothing(registry, promote_on):
    assert not promote_on("A", None, promote=False).moved
    assert read_ref(registry, "triage", "champion") is None


def test_older_night_moves_nothing(registry, promote_on):
    record_night(registry, compute_cut("triage", TUESDAY, "UTC"))
    promotion = promote_on("A", None, MONDAY)
    assert (promotion.moved, read_ref(registry, "triage", "champion")) == (False, None)
    assert (promotion.is_blocked, promotion.message) == (
        True,
        "the candidate is BETTER, but not promoted, since night 2026-11-23 is not the latest, and only that one moves "
        "the champion; `nightloom model promote A triage --reason TEXT` promotes it by hand; "
        "verdict: better than the baseline",
    )


def test_older_night_keeps_its_own_champion(registry, promote_on):
    promote_on("A", None)
    record_night(registry, compute_cut("triage", TUESDAY, "UTC"))
    promotion = promote_on("A", None, MONDAY, reason="better by an equal verdict")
    assert (promotion.moved, promotion.is_blocked) == (True, False)


def test_stored_blueprint_moves_no_ref(registry, promote_on):
    for passed in (True, False):
        promotion = hold_back(registry, make_verdict(candidate="A", promote=passed), "b" * 64)
        assert (promotion.moved, promotion.is_blocked) == (False, passed)
        assert "blueprint bbbbbbbbbbbb was chosen by hand, so no ref moves" in promotion.message
    promote_on("A", None)
    assert not hold_back(registry, make_verdict(candidate="A"), "b" * 64).is_blocked


def test_champion_moved_meanwhile_stays(registry, promote_on):
    promote_on("A", None)
    promotion = promote_on("B", None)
    assert (promotion.moved, promotion.is_blocked, read_ref(registry, "triage", "champion")) == (False, True, "A")
    assert read_block(promotion.message) == Block(
        "the champion changed after the comparison", "`nightloom run triage --night 2026-11-23` compares again"
    )


def test_repeated_promotion_moves_once(registry, promote_on):
    assert promote_on("A", None) == promote_on("A", None)
    assert len(read_log_tail(registry)) == 1


def test_rerun_keeps_an_earlier_promotion(registry, promote_on):
    promote_on("A", None, MONDAY)
    promote_on("B", "A", TUESDAY)
    assert promote_on("A", None, MONDAY).moved
    assert read_ref(registry, "triage", "champion") == "B"


def test_rollback_restores_the_previous_champion(store, registry, promote_on, dummies):
    a, b, _ = dummies
    promote_on(a, None)
    promote_on(b, a)
    promotion = roll_back_champion(store, registry, "triage", night=MONDAY, who="ada", why="complaints")
    assert promotion.message == f"champion of triage is {a[:12]} again, not {b[:12]}"
    assert read_ref(registry, "triage", "champion") == a
    assert (read_log_tail(registry)[-1].who, read_log_tail(registry)[-1].why) == ("ada", "complaints")


def make_import(adapter):
    task = TaskSpec(prompt="prompt", output="text", answer={"team": None}, field_order=("team",))
    content = Import.Content(recipe="triage", adapter=adapter, task=task)
    return Import(content=content, provenance=Import.Provenance(source="tuned", imported_at=utc_now()))


def promote_import(store, registry, adapter):
    return promote_by_hand(store, registry, make_import(adapter), night=MONDAY, who="ada", why="it served until now")


def test_rollback_cites_the_earlier_verdict(store, registry, promote_on, dummies):
    a, b, _ = dummies
    promote_import(store, registry, a)
    promote_on(b, a)
    roll_back_champion(store, registry, "triage", night=MONDAY, who="ada", why="complaints")
    cited = [make_import(a).id, make_verdict(candidate=b, champion=a).id, make_import(a).id]
    assert [(move.cites, move.by_hand) for move in read_log_tail(registry)] == list(
        zip(cited, (True, False, True), strict=True)
    )


def test_champion_is_promoted_again_by_import(store, registry, promote_on, dummies):
    a, *_ = dummies
    promote_on(a, None)
    assert promote_import(store, registry, a).moved
    assert not promote_import(store, registry, a).moved
    assert [move.cites for move in read_log_tail(registry)] == [make_verdict(candidate=a).id, make_import(a).id]


def test_night_respects_a_manual_promotion(store, registry, promote_on, dummies):
    a, b, c = dummies
    promote_on(a, None)
    promote_on(b, a)
    promote_import(store, registry, c)
    assert not promote_on(b, c, TUESDAY).moved


def test_two_rollbacks_go_back_twice(store, registry, promote_on, dummies):
    a, b, c = dummies
    for candidate, champion in ((a, None), (b, a), (c, b)):
        promote_on(candidate, champion)
    for _ in range(2):
        roll_back_champion(store, registry, "triage", night=MONDAY, who="ada", why="complaints")
    assert read_ref(registry, "triage", "champion") == a


@pytest.mark.parametrize("night", [MONDAY, TUESDAY], ids=["the same night", "the next night"])
def test_night_respects_a_rollback(store, registry, promote_on, dummies, night):
    a, b, _ = dummies
    promote_on(a, None)
    promote_on(b, a)
    roll_back_champion(store, registry, "triage", night=MONDAY, who="ada", why="complaints; again")
    promotion = promote_on(b, a, night)
    assert (promotion.moved, read_ref(registry, "triage", "champion")) == (False, a)
    assert read_block(promotion.message) == Block(
        "ada rolled this adapter back (complaints; again)",
        f"`nightloom model promote {b[:12]} triage --reason TEXT` promotes it by hand",
    )


def test_beaten_champion_may_return(registry, promote_on):
    promote_on("A", None)
    promote_on("B", "A")
    assert promote_on("A", "B", TUESDAY).moved


def test_one_of_many_candidates_wins(registry, promote_on):
    promote_on("A", None)
    promotions, start = [], threading.Barrier(6)

    def race(candidate):
        start.wait()
        promotions.append(promote_on(candidate, "A").moved)

    threads = [threading.Thread(target=race, args=(f"B{n}",)) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(promotions) == [False] * 5 + [True]


@pytest.mark.parametrize("champions", [[], ["A"]], ids=["none", "one"])
def test_rollback_needs_a_previous_champion(store, registry, promote_on, champions):
    for champion in champions:
        promote_on(champion, None)
    with pytest.raises(InputError, match="triage has no previous champion to roll back to"):
        roll_back_champion(store, registry, "triage", night=MONDAY, who="ada", why="complaints")
