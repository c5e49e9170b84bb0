"""The engine's figures of a trace that is fed whole, and of one that is fed pass by pass, as the baker does."""
import json

from helpers.captures import KHZ, SECOND
from xenmeter.xentrace.baker.document import to_json
from xenmeter.xentrace.engine.windowed import Baking


def figures_of(baking):
    baking.finish()
    told = baking.now()
    baking.close()
    return json.loads(to_json(0, told, None, None).decode())


def by_file(data):
    baking = Baking(KHZ, [SECOND])
    baking.engine.feed(data)
    return figures_of(baking)


def by_passes(passes):
    baking = Baking(KHZ, [SECOND])
    for pass_ in passes:
        if pass_ is None:
            continue
        for pcpu, held in pass_:
            baking.engine.feed_rings([(pcpu, held)])
        baking.engine.pass_done()
    return figures_of(baking)
