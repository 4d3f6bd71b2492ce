from tests.factories.trials import _loaded, _own_var_folder, plan_trial, plan_trials, tiny_base  # noqa: F401
