"""A fake xentop for each test that asks for one. What is here is no part of make test: make backends."""
from helpers.stage import xentop  # noqa: F401
