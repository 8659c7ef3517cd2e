# The commands people type. `make help` lists them.

SHELL := /bin/sh
.DEFAULT_GOAL := help
.PHONY: help setup demo synth quick test coverage clocks lint graph sizing bench tools preflight reboot snapshots snapshot restore recover lock pin clean

PIPENV_VERSION := 2026.10.3
# The environment lives in the project and is nobody else's.
PIPENV := PIPENV_VENV_IN_PROJECT=1 PIPENV_IGNORE_VIRTUALENVS=1 PIPENV_NOSPIN=1 .tools/bin/pipenv
PYTHON := .venv/bin/python
# Node 20 serves, though jsii would rather have a newer one; Terraform and cdktf need not ask whether they are the newest.
export JSII_SILENCE_WARNING_END_OF_LIFE_NODE_VERSION := 20
export CHECKPOINT_DISABLE := 1
export DISABLE_VERSION_CHECK := 1

help: ## list these commands
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "make %-9s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: .venv/.synced node_modules/.synced ## install what the project needs into the project's own folders

demo: synth ## show what the three locations would create, then serve prices on http://127.0.0.1:8080
	@$(PYTHON) -m stacks.reports.summary
	@$(PYTHON) -m control_app

synth: setup ## synthesise all locations into cdktf.out/
	@if [ -t 1 ]; then npx cdktf synth; else CI=1 npx cdktf synth; fi

# As many processes as there are cores. Each has all constructs in memory, so not more than four.
WORKERS := -n auto --maxprocesses 4

quick: lint ## lint and the unit tests, what to run at each change: two to four minutes on two cores
	$(PYTHON) -m pytest $(WORKERS) tests/control tests/infra tests/test_*.py

test: setup tools ## run all tests (ONLY=<pytest arguments> for some)
	$(PYTHON) -m pytest $(or $(ONLY),$(WORKERS))

# Where these are set, every Python process is measured, also pytest's workers.
MEASURED := COVERAGE_PROCESS_START=$(CURDIR)/pyproject.toml COVERAGE_FILE=$(CURDIR)/.coverage
coverage: setup ## money, periods, prices and invoices: every line and branch must be tested
	@rm -f .coverage .coverage.*
	@$(MEASURED) $(PYTHON) -m pytest -q $(WORKERS) tests/control
	@.venv/bin/coverage combine --quiet
	@.venv/bin/coverage report

clocks: setup ## the unit tests as on other days: months ahead, a leap day, a year's end (CLOCK=<name> for one)
	@tools/check-machine.sh test > /dev/null
	@tools/clocks.sh

lint: setup ## ruff, import-linter, mypy, pyright, shellcheck
	@tools/check-machine.sh test > /dev/null
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/lint-imports --no-logo
	cd constructs/ib_constructs/cluster/scripts && shellcheck -x *.sh
	shellcheck tools/*.sh tests/hosts/*.sh constructs/ib_constructs/base/charts/*.sh .ci/run
	@# Beside each other: they take most of the time, and each one core.
	@echo "mypy and pyright"; .venv/bin/mypy & mypy=$$!; npx pyright; pyright=$$?; wait $$mypy && exit $$pyright

graph: synth ## draw who waits for whom at stalpeni into docs/ (needs Debian's graphviz)
	@command -v dot > /dev/null || { echo "install graphviz: sudo apt-get install -y graphviz" >&2; exit 1; }
	@$(PYTHON) -m stacks.reports.graph stalpeni > docs/dependencies.dot
	@dot -Tsvg docs/dependencies.dot > docs/dependencies.svg

sizing: synth ## what an empty platform asks of its servers, at each location
	@$(PYTHON) -m stacks.reports.sizing

bench: setup ## measure (ONLY=<row>); prints one JSON line a row
	@$(PYTHON) -m perf.run $(ONLY)

tools: .venv/.synced ## make what the tests run against: test hosts' root file system, etcd, kube-apiserver, helm, Litestream
	@tools/check-machine.sh test > /dev/null
	@[ "$$(id -u)" -ne 0 ] || tests/hosts/make-rootfs.sh > /dev/null
	@tools/build-engines.sh > /dev/null
	@tools/build-litestream.sh > /dev/null

# Operations on a running location; SSH_KEY names a private key file where ssh does not find one by itself.
OPERATION = @test -n "$(LOCATION)" || { echo "name the location: make $@ LOCATION=<name>" >&2; exit 1; }; \
	$(PYTHON) -m stacks.operations $@ $(LOCATION) $(if $(SSH_KEY),--key $(SSH_KEY))

preflight: setup ## check a location's servers and change nothing (LOCATION=<name>)
	$(OPERATION)

reboot: setup ## drain and reboot one server after another (LOCATION=<name>, SERVER=<one of them>)
	$(OPERATION) $(if $(SERVER),--server $(SERVER))

snapshots: setup ## list etcd's snapshots (LOCATION=<name>)
	$(OPERATION)

snapshot: setup ## save an etcd snapshot now (LOCATION=<name>)
	$(OPERATION)

restore: setup ## bring the cluster back to a snapshot (LOCATION=<name> SNAPSHOT=<name or ./file>, WITHOUT=<servers that are gone>)
	$(OPERATION) --snapshot "$(SNAPSHOT)" $(if $(WITHOUT),--without $(WITHOUT))

recover: setup ## go on with what one server has, where most servers are lost (LOCATION=<name> SERVER=<name>, WITHOUT=<servers that are gone>)
	$(OPERATION) --server "$(SERVER)" $(if $(WITHOUT),--without $(WITHOUT))

lock: setup ## raise the locked versions within what Pipfile and package.json allow
	$(PIPENV) lock --categories "packages control-app dev-packages"
	$(PYTHON) tools/strip-lock.py
	npm update --silent

pin: setup ## write the SHA-256 of the pinned K3s release into versions.py (needs the internet)
	@$(PYTHON) tools/pin.py

clean: ## remove what `make setup` and `make synth` made; caches in ~/.cache/inference-platform stay
	rm -rf .venv .tools node_modules cdktf.out

.venv/.synced: Pipfile.lock constructs/pyproject.toml
	@python=$$(tools/check-machine.sh demo) && \
	if [ ! -x .tools/bin/pipenv ]; then \
	  echo "installing pipenv" && $$python -m venv .tools && .tools/bin/pip install --quiet pipenv==$(PIPENV_VERSION); \
	fi && \
	echo "installing Python packages (a minute or two the first time)" && \
	$(PIPENV) --python $$python sync --categories "packages control-app dev-packages" > .tools/sync.log 2>&1 || { cat .tools/sync.log; exit 1; }
	@touch $@

node_modules/.synced: package-lock.json
	@tools/check-machine.sh demo > /dev/null
	@echo "installing npm packages (about a minute the first time)"
	@npm ci --silent
	@touch $@
