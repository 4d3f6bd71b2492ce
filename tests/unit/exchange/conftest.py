from tests.factories.adapters import _own_var_folder, base, blueprint, make_adapter, one_thread  # noqa: F401
from tests.factories.stores import indexed_store  # noqa: F401
