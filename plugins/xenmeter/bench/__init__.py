"""Benchmarks under watch: what a program says of its own run, beside what each domain paid for it meanwhile."""
