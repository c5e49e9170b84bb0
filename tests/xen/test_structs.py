"""The structs against the table of facts, against the compiler and Xen's own headers, and round the encoder."""
import re
import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tools import provision
from tools.compiler import compiler

from xenmeter.core.errors import BadInput
from xenmeter.xen import cstruct, privcmd, structs, versions

ALL = {
    "getdomaininfolist": structs.GETDOMAININFOLIST, "physinfo_long": structs.PHYSINFO_LONG,
    "physinfo_short": structs.PHYSINFO_SHORT, "getcpuinfo": structs.GETCPUINFO, "sched_id": structs.SCHED_ID,
    "domaininfo_104": structs.domaininfo(104), "domaininfo_112": structs.domaininfo(112),
    "domaininfo_120": structs.domaininfo(120),
    "getvcpuinfo": structs.GETVCPUINFO, "runstate_info": structs.RUNSTATE_INFO,
    "multicall_entry": structs.MULTICALL_ENTRY, "domain_runstate": structs.DOMAIN_RUNSTATE,
    "vcpu_runstate": structs.VCPU_RUNSTATE,
    "vcpucontext": structs.VCPUCONTEXT, "vcpu_context": structs.VCPU_CONTEXT, "address_size": structs.ADDRESS_SIZE,
    "mmapbatch_v2": privcmd.MMAPBATCH_V2, "hypercall": privcmd.HYPERCALL, "mmap_resource": privcmd.MMAP_RESOURCE,
}
#: Sizes and offsets, as computed from the public headers of Xen 4.11 to 4.23; in a union's arm from the arm's start.
FACTS = {
    "getdomaininfolist": (136, 8, {"first_domain": 0, "max_domains": 4, "buffer": 8, "num_domains": 16}),
    "physinfo_long": (136, 8, {
        "threads_per_core": 0, "cores_per_socket": 4, "nr_cpus": 8, "max_cpu_id": 12, "nr_nodes": 16, "max_node_id": 20,
        "cpu_khz": 24, "capabilities": 28, "total_pages": 40, "free_pages": 48, "scrub_pages": 56}),
    "physinfo_short": (136, 8, {"cpu_khz": 24, "capabilities": 28, "total_pages": 32, "free_pages": 40,
                                "scrub_pages": 48, "outstanding_pages": 56}),
    "getcpuinfo": (136, 8, {"max_cpus": 0, "info": 8, "nr_cpus": 16}),
    "domaininfo_104": (104, 0, {"domain": 0, "flags": 4, "cpu_time": 56, "handle": 76, "cpupool": 92}),
    "domaininfo_112": (112, 0, {
        "domain": 0, "flags": 4, "tot_pages": 8, "max_pages": 16, "outstanding_pages": 24, "shr_pages": 32,
        "paged_pages": 40, "shared_info_frame": 48, "cpu_time": 56, "nr_online_vcpus": 64, "max_vcpu_id": 68,
        "ssidref": 72, "handle": 76, "cpupool": 92}),
    "getvcpuinfo": (144, 16, {"vcpu": 0, "online": 4, "blocked": 5, "running": 6, "cpu_time": 8, "cpu": 16}),
    "runstate_info": (48, 0, {"state": 0, "state_entry_time": 8, "running": 16, "runnable": 24, "blocked": 32,
                              "offline": 40}),
    "domain_runstate": (144, 16, {"state": 0, "missed_changes": 4, "state_entry_time": 8, "full_run": 16,
                                  "partial_contention": 56, "runnable": 64, "running": 72, "nonaffine": 80}),
    "vcpu_runstate": (144, 16, {"vcpu": 0, "state": 4, "state_entry_time": 8, "running": 16, "runnable": 24, "blocked": 32,
                                "offline": 40, "sample_time": 48}),
    "multicall_entry": (64, 0, {"op": 0, "result": 8, "arg0": 16, "arg5": 56}),
    "vcpucontext": (144, 16, {"vcpu": 0, "ctxt": 8}), "address_size": (144, 16, {"size": 0}),
    "vcpu_context": (5168, 0, {"flags": 512, "rbp": 552, "rip": 648, "cs": 656, "rflags": 664, "rsp": 672, "cr1": 4992,
                               "cr3": 5008, "fs_base": 5144, "gs_base_kernel": 5152, "gs_base_user": 5160}),
    "mmapbatch_v2": (32, 0, {"num": 0, "dom": 4, "addr": 8, "arr": 16, "err": 24}),
    "hypercall": (48, 0, {"op": 0, "arg0": 8, "arg4": 40}),
    "mmap_resource": (32, 0, {"dom": 0, "type": 4, "id": 8, "idx": 12, "num": 16, "addr": 24}),
}


@pytest.mark.parametrize("name", FACTS)
def test_facts(name):
    structure = ALL[name]
    size, base, offsets = FACTS[name]
    assert structure.size == size
    found = {field: offset for field, _, offset in structure.fields}
    assert {field: found[field] - base for field in offsets} == offsets
    assert len(structure.pack()) == size


@pytest.mark.parametrize("name", ALL)
def test_the_encoder_is_the_decoders_inverse(name):
    structure = ALL[name]
    values = {field: b"%015d\x01" % number if kind.endswith("s") else number + 1
              for number, (field, kind, _) in enumerate(structure.fields)}
    data = structure.pack(**values)
    assert structure.unpack(data)._asdict() == values
    buffer = bytearray(structure.size + 5)
    structure.pack_into(buffer, 5, values)
    assert bytes(buffer) == bytes(5) + data
    assert structure.unpack(bytes(buffer), 5)._asdict() == values


@given(st.sampled_from(sorted(ALL)), st.binary(max_size=300), st.integers(-5, 320))
def test_any_bytes(name, data, offset):
    structure = ALL[name]
    try:
        found = structure.unpack(data, offset)
    except BadInput as error:
        assert error.offset == offset and not 0 <= offset <= len(data) - structure.size
    else:
        for field, value in found._asdict().items():
            part = structure.unpack(structure.pack(**{field: value}))
            assert getattr(part, field) == value


def test_tables_that_cannot_be():
    with pytest.raises(ValueError, match="overlaps"):
        cstruct.Structure("x", 8, (("a", "I", 0), ("b", "I", 2)))
    with pytest.raises(ValueError, match="need 8"):
        cstruct.Structure("x", 7, (("a", "I", 0), ("b", "I", 4)))
    with pytest.raises(ValueError, match="no field nr_cpu"):
        structs.PHYSINFO_LONG.pack(nr_cpu=1)


def test_versions():
    assert versions.SYSCTL_VERSIONS == (0x16, 0x15, 0x14, 0x13, 0x12, 0x11)
    assert versions.DOMCTL_VERSIONS == tuple(range(0x18, 0x0f, -1))
    pairs = {release.name: (release.sysctl, release.domctl) for release in versions.RELEASES}
    assert pairs["4.13"] == (0x12, 0x12) and pairs["4.17"] == (0x15, 0x15) and pairs["4.21"] == (0x16, 0x17)
    sizes = {name: versions.domaininfo_size(pair[0]) for name, pair in pairs.items()}
    assert sizes["4.11"] == sizes["4.15"] == 104 and sizes["4.16"] == sizes["4.23"] == 112
    assert not versions.physinfo_is_long(pairs["4.16"][0]) and versions.physinfo_is_long(pairs["4.17"][0])
    assert versions.releases_of(0x15) == "4.17 to 4.20" and versions.releases_of(0x14) == "4.16"
    assert versions.releases_of(0x15, 0x17) == "4.19 to 4.20" and versions.releases_of(0x13, 0x12) == "4.14"
    assert versions.releases_of(0x15, 0x99) == "4.17 to 4.20" and versions.releases_of(0x99, 0x12) == "an unknown release"
    assert [release.name for release in versions.RELEASES if not versions.traces_to_stdout(release.sysctl, release.domctl)] == [
        "4.17", "4.16", "4.15", "4.14", "4.13", "4.12", "4.11"]


def test_uuid_and_flags():
    assert structs.uuid_of(bytes(range(16))) == "00010203-0405-0607-0809-0a0b0c0d0e0f"
    assert structs.shutdown_code(0x00030004) == 3
    assert structs.FLAGS.index("running") == 5 and structs.FLAGS.index("hap") == 8


PROGRAM = """
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <linux/ioctl.h>
%s
#define __XEN_TOOLS__ 1
#include <xen/xen.h>
#include <xen/sysctl.h>
#include <xen/domctl.h>
#include <xen/vcpu.h>
#include <xen/sys/privcmd.h>
typedef privcmd_hypercall_t privcmd_hypercall;
typedef privcmd_mmap_resource_t privcmd_mmap_resource;
typedef privcmd_mmapbatch_v2_t privcmd_mmapbatch_v2;
typedef struct vcpu_guest_context vcpu_guest_context;
typedef struct xen_sysctl xen_sysctl;
typedef struct xen_domctl xen_domctl;
typedef struct xen_domctl_getdomaininfo xen_domctl_getdomaininfo;
typedef struct vcpu_runstate_info vcpu_runstate_info;
typedef struct multicall_entry multicall_entry;
int main(void) {
%s
return 0; }
"""
#: The C library's headers are the machine's; Xen's then take the other architecture's branches.
ARCHITECTURES = {"x86_64": "", "arm64": """
#undef __x86_64__
#undef __i386__
#undef __aarch64__
#define __aarch64__ 1
"""}
#: In nobody's headers.
PROPOSED = {structs.DOMAIN_RUNSTATE, structs.VCPU_RUNSTATE}
#: The names that the headers give to what is flat here.
SPELLED = {"running": "time[RUNSTATE_running]", "runnable": "time[RUNSTATE_runnable]",
           "blocked": "time[RUNSTATE_blocked]", "offline": "time[RUNSTATE_offline]"}
CONSTANTS = {
    "__HYPERVISOR_memory_op": structs.HYPERCALL_MEMORY, "__HYPERVISOR_multicall": structs.HYPERCALL_MULTICALL,
    "__HYPERVISOR_xen_version": structs.HYPERCALL_VERSION,
    "__HYPERVISOR_vcpu_op": structs.HYPERCALL_VCPU, "__HYPERVISOR_sysctl": structs.HYPERCALL_SYSCTL,
    "__HYPERVISOR_domctl": structs.HYPERCALL_DOMCTL, "XEN_SYSCTL_physinfo": structs.SYSCTL_PHYSINFO,
    "XEN_SYSCTL_sched_id": structs.SYSCTL_SCHED_ID, "XEN_SYSCTL_getcpuinfo": structs.SYSCTL_GETCPUINFO,
    "XEN_SYSCTL_getdomaininfolist": structs.SYSCTL_GETDOMAININFOLIST,
    "XEN_DOMCTL_getvcpuinfo": structs.DOMCTL_GETVCPUINFO, "XEN_DOMCTL_getvcpucontext": structs.DOMCTL_GETVCPUCONTEXT,
    "XEN_DOMCTL_get_address_size": structs.DOMCTL_GET_ADDRESS_SIZE, "IOCTL_PRIVCMD_MMAPBATCH_V2": privcmd.IOCTL_MMAPBATCH_V2,
    "VCPUOP_get_runstate_info": structs.VCPUOP_GET_RUNSTATE_INFO,
    "IOCTL_PRIVCMD_HYPERCALL": privcmd.IOCTL_HYPERCALL, "IOCTL_PRIVCMD_MMAP_RESOURCE": privcmd.IOCTL_MMAP_RESOURCE,
}


@pytest.fixture(scope="module", params=sorted(ARCHITECTURES))
def compiled(tmp_path_factory, request):
    """What a compiler makes of the distribution's own headers: ``path -> offset``, sizes and constants."""
    provision.ensure("libxen-dev")
    lines = ['printf("%s %%ld\\n", (long)(%s));' % (name, name) for name in CONSTANTS]
    lines += ['printf("XEN_SYSCTL_INTERFACE_VERSION %ld\\n", (long)XEN_SYSCTL_INTERFACE_VERSION);',
              'printf("XEN_DOMCTL_INTERFACE_VERSION %ld\\n", (long)XEN_DOMCTL_INTERFACE_VERSION);']
    for structure in ALL.values():
        if structure in PROPOSED or structure is structs.VCPU_CONTEXT and request.param == "arm64":
            continue    # in nobody's headers; another one there
        lines.append('printf("%s %%zu\\n", sizeof(%s));' % (structure.name, structure.name))
        for path in _paths(structure):
            lines.append('printf("%s.%s %%zu\\n", offsetof(%s, %s));' % (structure.name, path, structure.name, path))
    folder = tmp_path_factory.mktemp("offsets")
    (folder / "offsets.c").write_text(PROGRAM % (ARCHITECTURES[request.param], "\n".join(lines)))
    include = provision.root_of("libxen-dev") / "usr" / "include"
    subprocess.run(compiler() + ["-I", str(include), "-o", str(folder / "offsets"), str(folder / "offsets.c")], check=True)
    found = subprocess.run([str(folder / "offsets")], check=True, stdout=subprocess.PIPE, universal_newlines=True).stdout
    found += "arm64 %d" % (request.param == "arm64")
    return {line.split()[0]: int(line.split()[1]) for line in found.splitlines()}


def _paths(structure):
    if structure is structs.VCPU_CONTEXT:
        return ["ctrlreg[%s]" % path[2:] if re.match(r"cr\d", path) else path if path == "flags" or "base" in path
                else "user_regs." + path for path in structure.paths]
    if structure is structs.RUNSTATE_INFO:
        return [SPELLED.get(path, path) for path in structure.paths]
    words = "args[" if structure is structs.MULTICALL_ENTRY else "arg["
    return [path.replace("arg", words) + "]" if path.startswith("arg") else path for path in structure.paths]


def test_constants_are_the_headers(compiled):
    assert {name: compiled[name] for name in CONSTANTS} == CONSTANTS


def test_offsets_are_the_compilers(compiled):
    """Of the layouts that the headers' own release has."""
    sysctl = compiled["XEN_SYSCTL_INTERFACE_VERSION"]
    assert (sysctl, compiled["XEN_DOMCTL_INTERFACE_VERSION"]) in {release[1:] for release in versions.RELEASES}
    size = versions.domaininfo_size(sysctl) + 8 * compiled["arm64"]
    assert size == compiled["xen_domctl_getdomaininfo"]
    other = {structs.PHYSINFO_SHORT if versions.physinfo_is_long(sysctl) else structs.PHYSINFO_LONG} | PROPOSED
    other.update({structs.VCPU_CONTEXT} if compiled["arm64"] else ())
    other.update(structs.domaininfo(size) for size in (104, 112, 120))
    checked = 0
    for structure in set(ALL.values()) - other | {structs.domaininfo(size)}:
        assert structure.size == compiled[structure.name], structure.name
        for path, (field, _, offset) in zip(_paths(structure), structure.fields):
            assert compiled["%s.%s" % (structure.name, path)] == offset, (structure.name, field)
            checked += 1
    assert checked > 50
