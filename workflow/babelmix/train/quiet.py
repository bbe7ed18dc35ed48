"""Libraries that would otherwise chatter, or cost seconds that nobody asked for."""

from __future__ import annotations

import sys


def leave_out(*names: str) -> None:
    """Keep installed packages from being imported by this process, unless they already are.

    transformers imports what it finds (DeepSpeed, datasets, PEFT), and each costs a second or more
    of a tiny training's few. None in ``sys.modules`` makes a module look uninstalled.
    """
    for name in names:
        sys.modules.setdefault(name, None)  # type: ignore[arg-type]


def quieten() -> None:
    """No progress bars of libraries (ours suffices) and no chatter below errors."""
    import logging
    import warnings

    from transformers.utils import logging as transformers_logging

    warnings.filterwarnings("ignore", category=FutureWarning)  # theirs to each other
    transformers_logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()
    for name in ("accelerate", "deepspeed", "DeepSpeed", "torch.distributed"):
        logging.getLogger(name).setLevel(logging.ERROR)
