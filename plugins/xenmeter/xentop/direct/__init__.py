"""Source direct: what Xen, xenstore and dom0's kernel say themselves."""
