"""Whether a JSON document is of the types of Grafana's schemas, as the library grafana-foundation-sdk has them. Only importable
where that is (helpers.borrowed).

The library's from_json passes on what it is given; so its types are asked here: which JSON key an attribute has says ``to_json``,
what it takes the annotation, what a panel's options and a query are the library's own registers.
"""
import enum
import types
import typing

from grafana_foundation_sdk.cog import plugins, runtime, variants
from grafana_foundation_sdk.models import dashboard as models, heatmap

plugins.register_default_plugins()

#: What Grafana reads and the schemas leave out: of annotations what is InfluxDB's own; a heat map's tooltip is shown by another
#: word up to Grafana 10.
BEYOND = {models.AnnotationQuery: {"query", "tagsColumn", "textColumn", "fromAnnotations"}, heatmap.HeatmapTooltip: {"show"}}


def keys_of(cls):
    """{JSON key: type} of a class of the library."""
    one = cls.__new__(cls)
    hints = typing.get_type_hints(cls)
    marks = {name: object() for name in hints}
    for name, mark in marks.items():
        setattr(one, name, mark)
    names = {id(mark): name for name, mark in marks.items()}
    return {key: hints[names[id(mark)]] for key, mark in one.to_json().items() if id(mark) in names}


def complaints(value, wanted, place):
    """What of a JSON value is not of a type, each with its place in the document."""
    origin, inner = typing.get_origin(wanted), typing.get_args(wanted)
    if wanted in (object, typing.Any):
        return []
    if origin in (typing.Union, types.UnionType):
        tried = [complaints(value, one, place) for one in inner]
        return min(tried, key=len)
    if origin is typing.Literal:
        return [] if value in inner else ["%s: %r is none of %s" % (place, value, inner)]
    if origin is list:
        if not isinstance(value, list):
            return ["%s: %r is no list" % (place, value)]
        return [text for number, one in enumerate(value) for text in complaints(one, inner[0], "%s[%d]" % (place, number))]
    if origin is dict:
        if not isinstance(value, dict):
            return ["%s: %r is no object" % (place, value)]
        return [text for key, one in value.items() for text in complaints(one, inner[1], "%s.%s" % (place, key))]
    if wanted is variants.Dataquery:
        known = runtime.Runtime().dataquery_variants.get(value["datasource"]["type"])
        return complaints(value, known.from_json_hook.__self__, place) if known else [] if {"refId", "query"} <= set(value) else [
            "%s: no query" % place]
    if isinstance(wanted, type) and issubclass(wanted, enum.Enum):
        return [] if value in [one.value for one in wanted] else ["%s: %r is no %s" % (place, value, wanted.__name__)]
    if isinstance(wanted, type) and hasattr(wanted, "to_json"):
        return of_class(value, wanted, place)
    if wanted is float:
        wanted = (int, float)
    fits = isinstance(value, wanted) and (wanted is bool or not isinstance(value, bool))
    return [] if fits else ["%s: %r is no %s" % (place, value, wanted)]


def of_class(value, cls, place):
    if not isinstance(value, dict):
        return ["%s: %r is no %s" % (place, value, cls.__name__)]
    keys = dict(keys_of(cls))
    if cls is models.Panel:
        known = runtime.panelcfg_config(value["type"])
        if known is None:
            return ["%s: %r is no kind of panel" % (place, value["type"])]
        keys["options"] = known.options_from_json_hook.__self__
    found = ["%s: %s has no %s" % (place, cls.__name__, key) for key in value
             if key not in keys and key not in BEYOND.get(cls, ())]
    found += [text for key, one in value.items() if key in keys for text in complaints(one, keys[key], "%s.%s" % (place, key))]
    if cls is models.Panel and known.field_config_from_json_hook is not None:
        found += complaints(value["fieldConfig"]["defaults"]["custom"], known.field_config_from_json_hook.__self__,
                            place + ".custom")
    return found
