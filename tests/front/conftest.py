"""A fake xentop for each test that asks for one, a real influxd for each module."""
from helpers.influx import influx  # noqa: F401
from helpers.stage import xentop  # noqa: F401
