#!/usr/bin/env python3
"""Writes the bill of materials of built packages, in CycloneDX's JSON: bom.py VERSION EPOCH OUT PACKAGE...

What each package is (name, digest), what it needs where it runs, and the libraries of the extra `report`, each at the version
that the tests run with. The same packages give the same bytes. Run by build.py with the Python that has cyclonedx-python-lib;
what is written has passed CycloneDX's own schema.
"""
import datetime
import hashlib
import pathlib
import re
import sys
import uuid

from cyclonedx.contrib.this.builders import this_component
from cyclonedx.model import HashAlgorithm, HashType, Property
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentScope, ComponentType
from cyclonedx.model.license import LicenseExpression
from cyclonedx.output.json import JsonV1Dot6
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from packageurl import PackageURL

TOP = pathlib.Path(__file__).resolve().parents[2]
PINNED = TOP / "packaging" / "requirements" / "report.txt"
MIT = LicenseExpression("MIT")


def of_package(path, version):
    """One built file."""
    digest = HashType(alg=HashAlgorithm.SHA_256, content=hashlib.sha256(path.read_bytes()).hexdigest())
    return Component(type=ComponentType.FILE, name=path.name, version=version, hashes=[digest], licenses=[MIT],
                     bom_ref="package:" + path.name)


def of_platform():
    """What every package needs where it runs, and nothing else."""
    return [Component(type=ComponentType.PLATFORM, name="python", scope=ComponentScope.REQUIRED, bom_ref="needs:python",
                      description="Python's standard library, 3.6 or newer"),
            Component(type=ComponentType.LIBRARY, name="libc", scope=ComponentScope.OPTIONAL, bom_ref="needs:libc",
                      description="the C library, for the compiled parts; without them the same figures come slower")]


def of_extra(text):
    """The libraries of the extra `report`, from its pinned requirements; with the marker of those that not all need."""
    found = []
    for name, version, marker in re.findall(r"^([a-z0-9][a-z0-9._-]*)==([^ ;\\]+)(?: ; ([^\\]+?))? \\$", text, re.MULTILINE):
        found.append(Component(type=ComponentType.LIBRARY, name=name, version=version, scope=ComponentScope.OPTIONAL,
                               purl=PackageURL("pypi", name=name, version=version), bom_ref="report:%s@%s" % (name, version),
                               properties=[Property(name="xenmeter:only-where", value=marker)] if marker else ()))
    return found


def of_patch():
    """What the source packages hold under another licence."""
    return Component(type=ComponentType.FILE, name="packaging/xen/vcpu-stats.patch", licenses=[LicenseExpression("GPL-2.0-only")],
                     description="a patch for Xen, in the source packages alone", bom_ref="source:vcpu-stats.patch")


def bill(version, epoch, packages):
    """The Bom of these files (paths)."""
    root = Component(type=ComponentType.APPLICATION, name="xenmeter", version=version, licenses=[MIT], bom_ref="xenmeter",
                     description="Measures Xen hosts: per-domain, per-vCPU and scheduler figures",
                     purl=PackageURL("generic", name="xenmeter", version=version))
    files = [of_package(path, version) for path in sorted(packages, key=lambda path: path.name)]
    platform, extra, patch = of_platform(), of_extra(PINNED.read_text()), of_patch()
    made = Bom(components=[*files, *platform, *extra, patch])
    made.metadata.component = root
    made.metadata.timestamp = datetime.datetime.fromtimestamp(epoch, datetime.timezone.utc)
    made.metadata.tools.components.add(this_component())
    made.register_dependency(root, [*platform, *extra])
    for file in files:
        made.register_dependency(file, platform)
    told = [(one.bom_ref.value, [item.content for item in one.hashes]) for one in made.components]
    made.serial_number = uuid.UUID(bytes=hashlib.sha256(repr((version, told)).encode()).digest()[:16], version=4)
    return made


def main():
    version, epoch, out = sys.argv[1], int(sys.argv[2]), pathlib.Path(sys.argv[3])
    text = JsonV1Dot6(bill(version, epoch, [pathlib.Path(word) for word in sys.argv[4:]])).output_as_string(indent=2) + "\n"
    wrong = JsonStrictValidator(SchemaVersion.V1_6).validate_str(text)
    if wrong:
        sys.exit("bom: it does not fit CycloneDX's schema: %s" % wrong)
    out.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
