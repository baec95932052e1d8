"""Not the package, but the clone that holds it: a program that runs beside a clone named `llmrg` finds this first."""

from pathlib import Path

__path__ = [str(Path(__file__).parent / "llmrg")]
__file__ = str(Path(__path__[0]) / "__init__.py")
exec(Path(__file__).read_text(encoding="utf-8"))
