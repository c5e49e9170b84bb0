"""What the compiled publishers share: which figures of which entities they format, and what they keep per row.

A publisher is built once from the catalogues and then formats every reading: all that depends on the catalogue
alone is worked out in its constructor, all that depends on a domain's name once per domain.
"""
from operator import itemgetter
from typing import Any, Callable, Collection, Dict, List, Optional, Sequence, Tuple

from xenmeter.core.catalogue import Catalogue, Entity, Figure
from xenmeter.core.reading import Row

__all__ = ("entities", "selected", "picker", "forget")


def entities(catalogues: Sequence[Catalogue]) -> List[Entity]:
    """The entities of all catalogues, in order.

    Raises ValueError where two catalogues name one entity: a reading's tables are found by that name alone.
    """
    found: Dict[str, Tuple[Catalogue, Entity]] = {}
    for catalogue in catalogues:
        for entity in catalogue.entities.values():
            other = found.setdefault(entity.name, (catalogue, entity))
            if other[1] is not entity:
                raise ValueError("entity %s is in the metrics.csv of both %s and %s"
                                 % (entity.name, other[0].plugin, catalogue.plugin))
    return [entity for _, entity in found.values()]


def selected(entity: Entity, groups: Optional[Collection[str]]) -> List[Tuple[int, Figure]]:
    """(place in a row's values, figure) of the figures whose group is enabled; ``groups`` None enables all."""
    return [(place, figure) for place, figure in enumerate(entity.figures) if figure.wanted(groups)]


def picker(places: Sequence[int]) -> Callable[[Tuple[Any, ...]], Tuple[Any, ...]]:
    """A function from a row's values to the tuple of those at ``places`` (itemgetter makes none of one or none)."""
    if not places:
        return lambda values: ()
    if len(places) == 1:
        only = places[0]
        return lambda values: (values[only],)
    return itemgetter(*places)


def forget(cache: Dict[Any, Any], rows: Sequence[Row]) -> None:
    """Drop from a cache with (who, labels) keys what is not among the rows, so that it never outgrows the host.

    Who is compared by identity, so a domain that comes back under a new life is made anew.
    """
    if len(cache) <= len(rows):
        return
    live = {(who, labels) for who, labels, _ in rows}
    for key in [key for key in cache if key not in live]:
        del cache[key]
