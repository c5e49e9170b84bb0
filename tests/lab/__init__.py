"""The lab: the real Xen from Debian under QEMU's software emulation, with a real dom0, real guests and our plugins."""
