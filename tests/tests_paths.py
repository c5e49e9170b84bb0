"""Places of this checkout."""
import pathlib

TOP = pathlib.Path(__file__).resolve().parents[1]
PLUGINS = TOP / "plugins"
FIXTURES = TOP / "fixtures"
TRACES = FIXTURES / "xentrace"
