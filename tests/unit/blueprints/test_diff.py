from nightloom.blueprints.diff import diff_blueprints


def test_one_blueprint_does_not_differ_from_itself(make_blueprint):
    assert diff_blueprints(make_blueprint(), make_blueprint()) == []


def test_changes_read_like_a_change_log(make_blueprint):
    before = make_blueprint(train={"seed": 20, "settings": {"learning_rate": 0.004, "packing": False}})
    after = make_blueprint(train={"seed": 21, "settings": {"learning_rate": 0.004, "max_length": 128}})
    assert [difference.sentence for difference in diff_blueprints(before, after)] == [
        "trials.0.seed changed from 20 to 21",
        "trials.0.settings.max_length added: 128",
        "trials.0.settings.packing removed: it was False",
    ]


def test_digests_are_shortened(make_blueprint):
    before, after = make_blueprint(), make_blueprint(prompt="Team? {{ text }}")
    (difference,) = diff_blueprints(before, after)
    assert difference.field == "task.prompt"
    assert difference.sentence == (
        f"task.prompt changed from {before.identity.task.prompt[:12]} to {after.identity.task.prompt[:12]}"
    )


def test_eval_sets_go_by_name(store, make_blueprint):
    blueprint = make_blueprint()
    (use,) = blueprint.identity.eval_sets
    both = (use.model_copy(update={"name": "official"}), use)
    other = blueprint.model_copy(update={"identity": blueprint.identity.model_copy(update={"eval_sets": both})})
    assert {difference.field.split(".")[1] for difference in diff_blueprints(blueprint, other)} == {"official"}
