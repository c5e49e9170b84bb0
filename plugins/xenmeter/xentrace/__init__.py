"""The baker: the hypervisor's trace records in, scheduling figures out. XenMon's successor; see README.md."""
