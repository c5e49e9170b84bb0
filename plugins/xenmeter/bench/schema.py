"""The schema of a run's record, and whether a value is as it says: as much of JSON Schema (draft 7) as the schema uses."""
import json
import os
from typing import Any, Dict, Optional

from xenmeter.core import shipped

__all__ = ("SCHEMA", "wrong")

SCHEMA: Dict[str, Any] = json.loads(shipped.text(os.path.dirname(os.path.abspath(__file__)), "run.schema.json"))

_TYPES: Dict[str, Any] = {"object": dict, "array": list, "string": str, "integer": int, "number": (int, float),
                          "null": type(None)}


def wrong(value: Any, schema: Dict[str, Any] = SCHEMA, place: str = "") -> Optional[str]:
    """What is wrong with a value of JSON, with its place, ``figures[0].value is no number or null``; None where nothing is."""
    kinds = schema.get("type", [])
    kinds = kinds if isinstance(kinds, list) else [kinds]
    if kinds and (isinstance(value, bool) or not isinstance(value, tuple(_flat(kinds)))):
        return "%s is no %s" % (place or "it", " or ".join(kinds))
    if "enum" in schema and (isinstance(value, bool) or value not in schema["enum"]):    # True is equal to 1
        return "%s is none of %s" % (place or "it", ", ".join(map(repr, schema["enum"])))
    if isinstance(value, (int, float)) and not schema.get("minimum", value) <= value <= schema.get("maximum", value):
        return "%s is too large or too small" % place       # NaN too
    if isinstance(value, list) and "items" in schema:
        return _first(wrong(one, schema["items"], "%s[%d]" % (place, number)) for number, one in enumerate(value))
    if isinstance(value, dict):
        known = schema.get("properties", {})
        lacking = [name for name in schema.get("required", ()) if name not in value]
        if lacking:
            return "%s is missing" % _inside(place, lacking[0])
        return _first(wrong(one, known.get(name, schema.get("additionalProperties", {})), _inside(place, name))
                      for name, one in value.items())
    return None


def _flat(kinds: Any) -> Any:
    for kind in kinds:
        found = _TYPES[kind]
        yield from found if isinstance(found, tuple) else (found,)


def _inside(place: str, name: str) -> str:
    return "%s.%s" % (place, name[:60]) if place else name[:60]


def _first(complaints: Any) -> Optional[str]:
    return next((complaint for complaint in complaints if complaint), None)
