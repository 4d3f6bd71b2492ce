"""Determinism: the same blueprint gives the same bytes on the same kind of machine."""

import os


def be_deterministic(seed: int) -> None:
    """Seed every source of chance, and keep to operations whose result does not depend on the order of threads.

    On a GPU some operations have no such form: they are named in the log, and results are equal but for rounding.
    """
    import torch
    from transformers import set_seed

    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # cuBLAS is deterministic only with a fixed workspace
    torch.use_deterministic_algorithms(mode=True, warn_only=torch.cuda.is_available())
    # Memory that is about to be overwritten would be filled first: a tenth of each step, and no result depends on it.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]  # set by __setattr__
    set_seed(seed)
