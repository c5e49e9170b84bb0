"""How many processes of dom0 run or wait for a CPU."""
