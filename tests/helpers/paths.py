"""Places of this checkout."""
import pathlib

TOP = pathlib.Path(__file__).resolve().parents[2]
PLUGINS = TOP / "plugins"
FIXTURES = TOP / "fixtures"
TRACES = FIXTURES / "xentrace"
