"""What xenstore says a disk or vif is made of, as libxl and xapi write it."""
import pytest

from xenmeter.xen.storage import Volume, bridges, volumes
from xenmeter.xen.storedump import DumpStore

BACKEND = b"/local/domain/0/backend/%s"
SR, VDI = "0a1b2c3d-1111-4222-8333-444455556666", "99998888-7777-4666-8555-444433332222"


def told(params, **nodes):
    nodes = {name.replace("_", "-").replace("--", "/").encode(): value for name, value in nodes.items()}
    store = DumpStore({BACKEND % b"vbd3" + b"/7/768/" + node: value for node, value in nodes.items()})
    return volumes(store, BACKEND, {(b"vbd3", 7, 768): params})[b"vbd3", 7, 768]


@pytest.mark.parametrize("params, nodes, volume, block", [
    (b"/dev/sm/backend/%s/%s" % (SR.encode(), VDI.upper().encode()), {"physical_device": b"fe:3"},
     Volume(SR, VDI, "/dev/sm/backend/%s/%s" % (SR, VDI.upper())), (254, 3)),
    (b"/dev/labvbd", {"physical_device": b"8:30"}, Volume("", "", "/dev/labvbd"), (8, 48)),
    (b"qcow2:/srv/a:b.qcow2", {}, Volume("", "", "/srv/a:b.qcow2"), None),
    (b"aio:/srv/web.img", {"sm_data__mem_pool": SR.encode(), "sm_data__vdi_uuid": VDI.encode()}, Volume(SR, VDI, "/srv/web.img"),
     None),
    (b"/srv/\xff", {"sm_data__vdi_uuid": b"no uuid", "physical_device": b"8:"}, Volume("", "", "/srv/\\xff"), None),
    (b"/" + b"x" * 4096, {}, None, None),
    (b"", {}, None, None), (None, {"physical_device": b"ca:100000000"}, None, None)])
def test_volumes(params, nodes, volume, block):
    assert told(params, **nodes) == (volume, block)


def test_bridges():
    names = {0: b"xenbr0", 1: b"", 2: b"a\nb"}
    store = DumpStore({BACKEND % b"vif" + b"/7/%d/bridge" % devid: name for devid, name in names.items()})
    assert bridges(store, BACKEND, {7: [0, 1, 2, 3], 8: [0]}) == {7: {0: "xenbr0", 2: "a\nb"}}
