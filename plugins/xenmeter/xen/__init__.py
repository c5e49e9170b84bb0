"""The interfaces of the hypervisor and of dom0: xenstore, hypercalls, mapped resources, trace rings, /proc and /sys."""
