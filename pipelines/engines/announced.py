"""An engine that is named to people when it is first put to work."""

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from pipelines.engines.engine import Engine
from pipelines.units import Stage, Unit


class Announced:
    """Does what `engine` does, after one line that says which it is.

    A job that is refused, or has nothing to do, says nothing of engines.
    """

    def __init__(self, engine: Engine, console: Console) -> None:
        self._engine = engine
        self._console = console
        self._is_named = False

    @property
    def description(self) -> str:
        """See `pipelines.engines.engine.Engine`."""
        return self._engine.description

    def run(self, stage: Stage, units: Sequence[Unit], run_dir: Path) -> str | None:
        """See `pipelines.engines.engine.Engine`."""
        if not self._is_named:
            self._is_named = True
            line = f"engine: {self.description}"
            self._console.print(line, highlight=False, markup=False, soft_wrap=True)
        return self._engine.run(stage, units, run_dir)
