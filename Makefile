# `make help` lists what there is. Tools come from the distribution and from PyPI and are unpacked under build/; nothing is
# installed on this machine, unless one does not run from there: then apt-get installs it, and that is said.

PYTHON ?= python3
VENV   := build/venv/bin/python
# Workers for the tests: more than there are cores, for most of them wait for real daemons. 0: one test after the other.
WORKERS ?= 4
LAB_CHECKS := $(foreach topic,boots figures beside hostfacts baker daemons lives networks kinds pvhdom0 ringless driver hotplug neighbours profile study,tests/lab/checks_$(topic).py)
export PYTHONPATH := $(CURDIR)/plugins

.PHONY: help run test lint packages bom bench wire fuzz endure backends install-matrix roots golden docs captures lab lab-all lab-bench lab-patched lab-profile study provision pins clean

help:	## this list
	@sed -n 's/^\([a-z-]*\):.*## /\1	/p' $(MAKEFILE_LIST) | expand -t 16

run:	## in a dom0: its figures now; anywhere else: a recorded host through the real collectd
	@$(PYTHON) tests/tools/demo.py

# A part of the tests fetches what it uses as it comes to it: a room without daemons is not to wait for Telegraf's build.
provision:
	@$(PYTHON) tests/tools/provision.py $(if $(TESTS),python,all)

test: provision	## everything: units, golden cases, properties, and the real daemons; TESTS=tests/core for a part, WORKERS=4
	$(VENV) -m pytest --numprocesses $(WORKERS) --dist loadscope --no-loadscope-reorder --durations 40 $(TESTS)

lint:	## ruff; mypy over the plugins; gcc and cppcheck over the compiled parts; the house's other rules are tests/project
	@$(PYTHON) tests/tools/provision.py lint
	build/environments/lint/bin/ruff check plugins tests packaging
	build/environments/lint/bin/mypy
	$(PYTHON) tests/tools/lint_c.py

bench:	## what measuring costs: a sample, beside the floor; a trace, beside xenalyze; in one run each
	$(PYTHON) tests/bench/xentop_cost.py
	$(PYTHON) tests/bench/direct.py
	@test "$$(id -u)" != 0 || $(PYTHON) tests/bench/libxenstat.py 10 100 1000
	$(PYTHON) tests/bench/vcpu.py
	PYTHONPATH=plugins $(PYTHON) tests/bench/publish.py --domains 10,1000
	PYTHONPATH=plugins $(PYTHON) tests/bench/directory.py 10 1000
	$(PYTHON) tests/bench/baker.py --records 3000000
	$(PYTHON) tests/bench/live.py
	$(PYTHON) tests/bench/pulse.py
	$(PYTHON) tests/bench/share.py
	$(PYTHON) tests/bench/growth.py
	$(PYTHON) tests/bench/profile.py
	$(PYTHON) tests/bench/start.py
	XENMETER_COMPILED=0 $(PYTHON) tests/bench/steps.py
	$(PYTHON) tests/bench/targets.py
	$(PYTHON) tests/bench/targets.py --domains 5000 --turns 1 --only text,publish

wire:	## what goes over the wire per host and interval, in series and bytes on disk (conf.d/fleet)
	$(PYTHON) tests/bench/wire.py

fuzz: provision	## every reader of bytes that others write, against damaged input, SECONDS=600 each unless told otherwise
	$(VENV) tests/fuzz/run.py --seconds $(or $(SECONDS),600) --jobs $(or $(JOBS),2) $(TARGETS)

endure: provision	## hours of a large host in one: domains come and go, faults, load; SECONDS=3600 unless told otherwise
	$(VENV) tests/endure/run.py --seconds $(or $(SECONDS),3600) $(PARTS)

lab:	## the real Xen 4.17, and 4.20 in short, under QEMU, our plugins in its dom0, against Xen's own figures; some 15 minutes
	@$(PYTHON) tests/tools/provision.py python
	$(PYTHON) tests/lab/run.py $(BOOTS); ran=$$?; \
	$(VENV) -m pytest -q $(LAB_CHECKS) --boots "$(BOOTS)" && exit $$ran

lab-all:	## every boot of the lab, of each release of Xen, before a release of ours; two hours
	@$(MAKE) --no-print-directory lab BOOTS=all

lab-patched:	## the lab's machine with the hypervisor that packaging/xen patches, built here; some 6 minutes
	@$(MAKE) --no-print-directory lab BOOTS=patched LAB_CHECKS=tests/lab/checks_patched.py

lab-bench:	## the lab's machine with benchmarks under watch, against work that is known; some 10 minutes
	@$(MAKE) --no-print-directory lab BOOTS=bench LAB_CHECKS=tests/lab/checks_bench.py

lab-profile:	## the lab's machine with profiles of guests whose work is known; some 6 minutes
	@$(MAKE) --no-print-directory lab BOOTS=profile LAB_CHECKS=tests/lab/checks_profile.py

study:	## the paper of 2005 again: a web server under four weightings, two rate limits and both schedulers; half an hour, alone
	$(PYTHON) tests/tools/provision.py httperf
	$(PYTHON) tests/lab/study/whole.py

captures:	## raw output of Xen's own tools for new fixtures, from one boot of the lab, under build/lab/captures
	$(PYTHON) tests/lab/captures.py

backends:	## newest Prometheus, VictoriaMetrics, Telegraf (and its oldest), OpenTelemetry, both collectds; BACKENDS="prometheus" for less
	$(PYTHON) tests/tools/backends.py $(BACKENDS)

install-matrix:	## each package where it will live: old Pythons, musl, OpenRC, EL's pips, Debian 12 and 13; as root; PLACES="openrc" for less
	$(PYTHON) tests/install/run.py $(PLACES)

roots:	## make run, lint and test in fresh systems of Debian 12 and 13, as root; ROOTS="--release trixie" for less
	$(PYTHON) tests/tools/roots.py $(ROOTS)

golden: provision	## write the expected output of fixtures/ anew; read the difference before you commit it
	$(VENV) -m pytest -q tests/xentop/test_golden.py tests/xentrace/test_golden.py \
		tests/vcpu/test_golden.py tests/bench/test_readers.py --update-golden

pins:	## write down versions and hashes of the Python libraries of tests, tools and extras; PINS=--upgrade for new ones
	$(PYTHON) tests/tools/pins.py $(PINS)

docs:	## write the generated parts of the READMEs anew
	$(PYTHON) tests/tools/docs.py
	$(PYTHON) tests/tools/dashboards.py

packages:	## Debian packages, RPMs, wheels, the one file, XCP-ng's bundle and the source into build/packages/; as root; RELEASE=trixie
	$(PYTHON) packaging/tools/build.py $(if $(RELEASE),--release $(RELEASE))

bom:	## the same without their builds' own tests; where they are there, of this commit, the bill of materials alone; as root
	$(PYTHON) packaging/tools/build.py --untested

clean:	## remove build/
	rm -rf build
