"""Profiles of other domains from dom0: which process and which function the CPU time of a domain went to."""
