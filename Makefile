# SPDX-License-Identifier: Apache-2.0
#
# `make` alone prints what there is, and installs nothing.

LAB ?= lab12_1
FUZZTIME ?= 60s
BIN ?= .
GO  ?= go

# All builds have the same flags, so that what one has compiled serves the others; flags of the user's own stay.
# Only the race detector needs cgo. Programs built with it sleep for a second before they exit, and tests start
# many of them.
export CGO_ENABLED = 0
export GOFLAGS := $(strip $(shell $(GO) env GOFLAGS 2>/dev/null) -trimpath)
race = CGO_ENABLED=1 GORACE=atexit_sleep_ms=0 $(GO) test -race

.PHONY: help grade watch hint list test unit fuzz bpflab lint tools test-tools generate clean go
.DEFAULT_GOAL := help

help:
	@echo 'make grade      grade labs/$(LAB) on every kernel and show the report;'
	@echo '                LAB=lab12_2 KERNELS=6.12 FROM=DIR narrow it'
	@echo 'make watch      grade again on every save, on one kernel, on a screen with keys;'
	@echo '                LAB, KERNELS and FROM as above'
	@echo 'make hint       show a hint for what the last grade found; LAB=lab12_2 TASK=3 STEP=2'
	@echo '                name the task and how many hints'
	@echo 'make list       list the labs: your scores, and what is left to do'
	@echo 'make test       run all tests'
	@echo 'make unit       run the tests that need no guest'
	@echo 'make fuzz       run each fuzz target for FUZZTIME=$(FUZZTIME)'
	@echo 'make bpflab     only build the command and the guests'\'' agent'
	@echo 'make lint       gofmt, go vet, staticcheck'
	@echo 'make tools      install what a grade needs: QEMU, clang, LLVM, headers'
	@echo 'make generate   compile the committed BPF objects again'
	@echo 'make clean      remove the command and the agent'
	@echo
	@echo 'grade, watch and test install what they lack with apt-get, and fetch the kernels.'

# A submission that does not pass (1) is a report, not a failure of make; what is the
# grader's own trouble (3) is.
grade: bpflab tools
	@./bpflab grade $(LAB) $(if $(KERNELS),--kernels $(KERNELS)) $(if $(FROM),--from $(FROM)) || [ $$? -eq 1 ]

watch: bpflab tools
	@./bpflab watch $(LAB) $(if $(KERNELS),--kernels $(KERNELS)) $(if $(FROM),--from $(FROM))

hint: bpflab
	@./bpflab hint $(LAB) $(TASK) $(if $(STEP),--step $(STEP)) $(if $(FROM),--from $(FROM))

list: bpflab
	@./bpflab list

# The kernels come first: a test is not the place to wait for a download. lint has vetted. All submissions
# of solutions/ and the labs are compiled and graded without the race detector, which would take as long
# again and sees the same code at work in the other grades.
plain = ^Test(GradeWrong|LabsAreWhole)$$
test: bpflab tools test-tools lint
	@./bpflab kernels fetch
	$(race) -vet=off -timeout 40m -skip '$(plain)' ./...
	$(GO) test -vet=off -timeout 40m -run '$(plain)' ./cmd/bpflab
	@echo "make test: all tests passed"

unit: go
	$(GO) test -short ./...

# One after the other: a target keeps all cores busy. Minimising an input is bounded: it can take longer
# than the fuzzing.
fuzz: go
	@set -e; for package in $$($(GO) list ./...); do \
		tests=$$($(GO) test -list '^Fuzz' $$package); \
		for target in $$(echo "$$tests" | grep '^Fuzz'); do \
			echo "== $$package $$target"; \
			$(GO) test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 5s $$package; \
		done; \
	done

# bpflab, and beside it bpflab-agent, which guests run. The agent is static and has no paths, stamps or build
# ID: the same source gives the same bytes, and snapshots stay valid. runner/agent_linux.go has the same
# flags, those from above among them. bpflab is told the agent's sum, and the release or commit that it is
# built from. BIN is the folder of both.
bpflab: go
	@GOOS=linux GOARCH=amd64 GOAMD64=v1 $(GO) build -buildvcs=false -ldflags='-s -w -buildid=' -o $(BIN)/bpflab-agent ./cmd/agent
	@sum=$$(sha256sum $(BIN)/bpflab-agent || shasum -a 256 $(BIN)/bpflab-agent) && $(GO) build -buildvcs=false \
		-ldflags="-X bpflab/runner.agentSHA256=$${sum%% *} -X main.stamp=$$(git describe --always --dirty 2>/dev/null)" -o $(BIN)/bpflab ./cmd/bpflab

lint: go
	@bad=$$(gofmt -l .); [ -z "$$bad" ] || { echo "not gofmt-ed: $$bad"; exit 1; }
	@$(GO) vet ./...
	@$(GO) run honnef.co/go/tools/cmd/staticcheck ./...

# The programs that submissions are compared with, from their C. Committed, so that they are
# the same for everyone; made with clang 14.
generate: go
	$(GO) generate ./...

clean:
	rm -f bpflab bpflab-agent

# Go of go.mod's version or later. One since 1.21 fetches the version that it lacks, unless it is
# told not to; an older one, such as Debian 12's, does not.
need := $(shell sed -n 's/^go //p' go.mod)
go:
	@command -v $(GO) >/dev/null || { echo "Go is missing: install Go $(need) or later, from go.dev/dl or your system's backports, and put it on PATH" >&2; exit 3; }
	@have=$$($(GO) env GOVERSION 2>/dev/null || $(GO) version | cut -d' ' -f3); have=$${have#go}; \
	[ "$$(printf '%s\n' $(need) "$${have%% *}" | sort -V | head -n 1)" = $(need) ] || \
	{ echo "Go $(need) or later is needed, and $(GO) is $$have: install it from go.dev/dl or your system's backports, and put it first on PATH" >&2; exit 3; }

# have(command-or-file, package): the package, if what it brings is not there.
have = $(if $(shell command -v $(1) 2>/dev/null || ls $(1) 2>/dev/null),,$(2))
install = @set -e; missing="$(strip $(1))"; [ -n "$$missing" ] || exit 0; \
	command -v apt-get >/dev/null || { echo "missing: $$missing (these are Debian's package names); this system has no apt-get: install them its own way, then call make again" >&2; exit 3; }; \
	sudo=; [ "$$(id -u)" = 0 ] || sudo=sudo; \
	[ -z "$$sudo" ] || command -v sudo >/dev/null || { echo "missing: $$missing; as root: apt-get install $$missing" >&2; exit 3; }; \
	echo "installing with $${sudo:+$$sudo }apt-get: $$missing" >&2; \
	$$sudo apt-get update -qq; \
	DEBIAN_FRONTEND=noninteractive $$sudo apt-get install -y -qq --no-install-recommends $$missing >/dev/null

tools:
	$(call install,$(call have,qemu-system-x86_64,qemu-system-x86) $(call have,clang,clang) $(call have,llvm-objdump,llvm) \
		$(call have,/usr/include/bpf/bpf_helpers.h,libbpf-dev) $(call have,/usr/include/linux/bpf.h,linux-libc-dev))

# The race detector needs a C compiler. Chromium looks at the report's pages. bpftool makes a vmlinux.h.
test-tools:
	$(call install,$(call have,gcc,gcc) $(call have,/usr/include/stdio.h,libc6-dev) $(call have,chromium,chromium) $(call have,/usr/sbin/bpftool,bpftool))
