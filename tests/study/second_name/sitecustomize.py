"""Gives a loss a second name, in every process whose `PYTHONPATH` begins with this folder: driver and workers alike.

Python imports a module of this name when it starts. The loss is registered when its own module has been imported, so
that processes which train nothing import no more than they would.
"""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType

LOSSES = "trainables.objectives.losses"
NAME, SECOND_NAME = "contrastive", "contrastive_again"


class Registration(MetaPathFinder):
    """Finds the module of the losses, and registers the second name once it has run."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname != LOSSES:
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(fullname)
        assert spec is not None
        assert spec.loader is not None
        execute = spec.loader.exec_module

        def execute_and_register(module: ModuleType) -> None:
            execute(module)
            module.LOSSES[SECOND_NAME] = module.LOSSES[NAME]

        spec.loader.exec_module = execute_and_register  # type: ignore[method-assign]
        return spec


if "pytest" not in sys.modules:
    sys.meta_path.insert(0, Registration())
