from nightloom.registry.members import add_member, list_members, list_newest, list_night, list_owners

from .conftest import MONDAY, TUESDAY, make_adapter, make_import


def test_recipes_share_a_manifest(registry):
    """The second recipe has it too (a copied or renamed recipe)."""
    for recipe in ("triage", "squad"):
        add_member(registry, recipe, MONDAY, "adapter", "a" * 64)
    assert [one.manifest for one in list_members(registry, "adapter", "squad", limit=9)] == ["a" * 64]
    assert list_owners(registry, "a" * 64) == ["squad", "triage"]


def test_recipes_with_same_rows_have_own_nights(world, registry):
    first, second = (world.run_night(recipe, MONDAY, "rows") for recipe in ("triage", "squad"))
    assert first["adapter"] == second["adapter"]
    for recipe in ("triage", "squad"):
        assert {one.kind for one in list_night(registry, recipe, MONDAY)} == first.keys()


def test_later_night_with_same_manifest_is_listed(registry):
    add_member(registry, "triage", MONDAY, "snapshot", "5" * 64)
    add_member(registry, "triage", TUESDAY, "snapshot", "5" * 64)
    assert [one.night for one in list_newest(registry, "snapshot", "triage")] == [TUESDAY]
    assert [one.night for one in list_members(registry, "snapshot", "triage", limit=9)] == [TUESDAY, MONDAY]


def test_repeated_note_keeps_first_time(registry):
    add_member(registry, "triage", MONDAY, "snapshot", "5" * 64)
    (first,) = list_members(registry, "snapshot", limit=9)
    add_member(registry, "triage", MONDAY, "snapshot", "5" * 64)
    assert list_members(registry, "snapshot", limit=9) == [first]


def test_pages_are_consecutive(registry):
    for digit in "12345":
        add_member(registry, "triage", MONDAY, "trial", digit * 64)
    page = list_members(registry, "trial", "triage", limit=2)
    rest = list_members(registry, "trial", "triage", limit=9, after=page[-1])
    assert [one.manifest[0] for one in (*page, *rest)] == ["5", "4", "3", "2", "1"]
    assert list_members(registry, "trial", limit=9, after=page[-1]) == rest


def test_import_belongs_to_no_night(store, registry):
    adapter = store.publish(make_adapter("f" * 64, "b" * 64)).id
    imported = store.publish(make_import("triage", adapter)).id
    (member,) = list_members(registry, "adapter", "triage", limit=9)
    assert member.night is None
    assert [one.manifest for one in list_night(registry, "triage", None)] == [adapter, imported]
