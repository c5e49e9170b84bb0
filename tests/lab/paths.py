"""Where the lab keeps what it makes."""
import pathlib

__all__ = ("BUILD", "LOGS", "TOP")

TOP = pathlib.Path(__file__).resolve().parents[2]
BUILD = TOP / "build" / "lab"
LOGS = BUILD / "logs"
