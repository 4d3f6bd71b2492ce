import threading
from datetime import timedelta

from nightloom.registry.leases import drop_lease, take_lease

HOUR, NOTHING = timedelta(hours=1), timedelta(0)


def test_holders_take_different_keys(registry):
    taken = [take_lease(registry, "plan", ["1", "2"], holder, HOUR) for holder in ("ada", "bob", "eve")]
    assert taken == ["1", "2", None]


def test_expired_lease_is_taken_over(registry):
    take_lease(registry, "plan", ["1"], "ada", NOTHING)
    assert take_lease(registry, "plan", ["1"], "bob", HOUR) == "1"


def test_holder_renews_its_lease(registry):
    take_lease(registry, "plan", ["1"], "ada", HOUR)
    assert take_lease(registry, "plan", ["1"], "ada", HOUR) == "1"


def test_dropped_lease_is_free(registry):
    take_lease(registry, "plan", ["1"], "ada", HOUR)
    drop_lease(registry, "plan", "1", "ada")
    assert take_lease(registry, "plan", ["1"], "bob", HOUR) == "1"


def test_lease_of_another_is_not_dropped(registry):
    take_lease(registry, "plan", ["1"], "ada", HOUR)
    drop_lease(registry, "plan", "1", "bob")
    assert take_lease(registry, "plan", ["1"], "bob", HOUR) is None


def test_scopes_are_independent(registry):
    take_lease(registry, "plan", ["1"], "ada", HOUR)
    assert take_lease(registry, "other plan", ["1"], "bob", HOUR) == "1"


def test_racing_holders_share_no_key(registry):
    keys, taken, start = [str(n) for n in range(8)], [], threading.Barrier(8)

    def take(holder):
        start.wait()
        taken.append(take_lease(registry, "plan", keys, holder, HOUR))

    threads = [threading.Thread(target=take, args=(f"worker {n}",)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(taken) == keys
