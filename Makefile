# usaged: `make` prints the targets.

VERSION := 0.1.0
BUILD := build
PYTHON := tests/install.sh python

CC := gcc
Q := $(if $(V),,@)
PACKAGES := rdkafka avro-c libpq libmicrohttpd jansson libcurl libcrypto libxxhash
WARNINGS := -Wall -Wextra -Wconversion -Wshadow -Wmissing-prototypes -Wstrict-prototypes -Wvla
HARDENING := -D_FORTIFY_SOURCE=2 -fstack-protector-strong -fstack-clash-protection -fcf-protection=full \
             -ftrivial-auto-var-init=zero -fPIE
LINK_HARDENING := -pie -Wl,-z,relro,-z,now,-z,noexecstack
FLAGS := -std=gnu17 -g -pthread -fvisibility=hidden -Iservice -DUSAGED_VERSION='"$(VERSION)"' $(WARNINGS)

# A variant is a folder of objects: release, test (failpoints), asan (failpoints and sanitizers), cov, fuzz (by clang).
CFLAGS_release := -O2 -flto=auto $(HARDENING)
CFLAGS_test := -O2 $(HARDENING) -DUSAGED_FAILPOINTS
CFLAGS_asan := -O1 -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize-recover=undefined -DUSAGED_FAILPOINTS
CFLAGS_cov := -O0 --coverage -DUSAGED_FAILPOINTS
CFLAGS_fuzz := -O1 -fno-omit-frame-pointer -fsanitize=fuzzer-no-link,address,undefined \
               -fno-sanitize-recover=undefined -Wno-conversion -DUSAGED_LIBFUZZER
LDFLAGS_release := -O2 -flto=auto $(LINK_HARDENING)
LDFLAGS_test := $(LINK_HARDENING)
LDFLAGS_asan := -fsanitize=address,undefined -Wl,--as-needed
LDFLAGS_cov := --coverage
LDFLAGS_fuzz := -fsanitize=fuzzer,address,undefined

SOURCES := $(sort $(wildcard service/*/*.c))
EMBEDDED := $(BUILD)/gen/embedded.c
UNIT := $(patsubst tests/unit/%.c,%,$(sort $(wildcard tests/unit/test_*.c)))
BENCHES := $(patsubst tests/bench/%.c,%,$(sort $(wildcard tests/bench/*.c)))
FUZZERS := $(patsubst tests/fuzz/fuzz_%.c,%,$(sort $(wildcard tests/fuzz/fuzz_*.c)))
FUZZ := $(FUZZERS)
FUZZ_SECONDS := 60

.DELETE_ON_ERROR:
.SUFFIXES:
.PHONY: help build install-build install-test install-bench install-check demo test unit flow conformance rig check format \
        asan coverage bench bench-ingest bench-http bench-lookup bench-parked bench-export bench-hub bench-import pieces protocol faults fuzz differential \
        clean embedded-files

help:
	@printf '%s\n' \
	'make demo      the main job on real parts: builds, starts Kafka, PostgreSQL and a registry, kills usaged in the middle' \
	'make test      unit tests and flow tests on the rig; ends with "N passed, M failed"' \
	'make conformance  the checklist of TMF635 v4.0.0 and the rules of the API, a suite of its own (make test runs it too)' \
	'make build     the program: build/usaged (V=1 shows the commands)' \
	'make rig       starts Kafka, PostgreSQL and the registry, prints their addresses, stays until Ctrl-C' \
	'make check     format, warnings as errors, clang-tidy, cppcheck, shellcheck, the layers' \
	'make format    formats the C sources' \
	'make asan      unit, flow and conformance tests under the address and undefined-behaviour sanitizers' \
	'make coverage  line coverage of the unit, flow and conformance tests: build/coverage/' \
	'make bench     the next five, one after another' \
	'make bench-ingest  1,000,000 records from topic to committed events: build/bench.json' \
	'make bench-http  GET by id and a page of 100, requests a second, p50, p99: build/bench-http.json' \
	'make bench-export  exports of 1,000,000 and 5,000,000 usages, rate and memory: build/bench-export.json' \
	'make bench-import  imports of 200,000 lines, by file and over HTTP: build/bench-import.json' \
	'make bench-hub  events told a second to ten listeners of which one is dead: build/bench-hub.json' \
	'make bench-lookup  looks for one msisdn among 10,000,000 usages: build/bench-lookup.json' \
	'make bench-parked  what 1,000,000 parked ratings cost others: build/bench-parked.json' \
	'make pieces    nanoseconds a record of reading, mapping, rendering, writing' \
	'make faults    the long kill, freeze and outage runs (a short form of each is in make test)' \
	'make fuzz      libFuzzer, a minute a target (FUZZ_SECONDS=3600, FUZZ="record schema"): tests/fuzz/' \
	'make differential  1,000,000 random records under 200 random schemas against fastavro and avro-c' \
	'make protocol  checks the protocol models with TLC (docs/protocol)' \
	'make clean     removes build/'

# --- installing: each asks for root only when something is missing ------------------------------------------

install-build:
	@tests/install.sh build

install-test:
	@tests/install.sh test

install-bench:
	@tests/install.sh bench

install-check:
	@tests/install.sh check

# --- building -------------------------------------------------------------------------------------------------

# The packages are asked for only once something is compiled: `make` alone works on a bare machine.
pkg_cflags = $(shell pkg-config --cflags $(PACKAGES))
pkg_libs = $(shell pkg-config --libs $(PACKAGES)) -lm -pthread

build: install-build
	@$(MAKE) --no-print-directory $(BUILD)/usaged

embedded-files:
	@sh service/embed.sh $(EMBEDDED) embed_migrations $(sort $(wildcard migrations/[0-9]*.sql)) \
	  $(if $(wildcard migrations/grants.sql),migrations/grants.sql) \
	  -- embed_schemas $(sort $(wildcard schemas/*.avsc)) schemas/openapi.json \
	  -- embed_sql $(sort $(wildcard service/usage/sql/*.sql))

$(EMBEDDED): embedded-files ;

define variant
$(BUILD)/$(1)/%.o: service/%.c
	@mkdir -p $$(@D)
	@echo 'CC $$@'
	$$(Q)$$(CC) $$(FLAGS) $$(CFLAGS_$(1)) $$(EXTRA) $$(pkg_cflags) -MMD -MP -c $$< -o $$@

$(BUILD)/$(1)/embedded.o: $(EMBEDDED)
	@mkdir -p $$(@D)
	@echo 'CC $$@'
	$$(Q)$$(CC) $$(FLAGS) $$(CFLAGS_$(1)) -c $$< -o $$@

$(BUILD)/$(1)/usaged: $(BUILD)/$(1)/main.o $(SOURCES:service/%.c=$(BUILD)/$(1)/%.o) $(BUILD)/$(1)/embedded.o
	@echo 'LINK $$@'
	$$(Q)$$(CC) $$(LDFLAGS_$(1)) $$^ $$(pkg_libs) -o $$@

$(BUILD)/$(1)/unit/%: tests/unit/%.c $(SOURCES:service/%.c=$(BUILD)/$(1)/%.o) $(BUILD)/$(1)/embedded.o
	@mkdir -p $$(@D)
	@echo 'LINK $$@'
	$$(Q)$$(CC) $$(FLAGS) $$(CFLAGS_$(1)) -Itests/unit $$(pkg_cflags) -MMD -MP $$< $$(filter %.o,$$^) $$(LDFLAGS_$(1)) $$(pkg_libs) \
	  -lcmocka -o $$@

$(BUILD)/$(1)/fuzz/%.o: tests/fuzz/%.c
	@mkdir -p $$(@D)
	@echo 'CC $$@'
	$$(Q)$$(CC) $$(FLAGS) $$(CFLAGS_$(1)) -Itests/fuzz $$(pkg_cflags) -MMD -MP -c $$< -o $$@

$(BUILD)/$(1)/fuzz/%: $(BUILD)/$(1)/fuzz/%.o $(SOURCES:service/%.c=$(BUILD)/$(1)/%.o) $(BUILD)/$(1)/embedded.o
	@echo 'LINK $$@'
	$$(Q)$$(CC) $$(LDFLAGS_$(1)) $$^ $$(pkg_libs) -o $$@

$(BUILD)/$(1)/unit/test_fuzz_cases: $(FUZZERS:%=$(BUILD)/$(1)/fuzz/fuzz_%.o)

$(BUILD)/$(1)/flow/%: tests/flow/%.c $(SOURCES:service/%.c=$(BUILD)/$(1)/%.o) $(BUILD)/$(1)/embedded.o
	@mkdir -p $$(@D)
	@echo 'LINK $$@'
	$$(Q)$$(CC) $$(FLAGS) $$(CFLAGS_$(1)) $$(pkg_cflags) -MMD -MP $$< $$(filter %.o,$$^) $$(LDFLAGS_$(1)) $$(pkg_libs) -o $$@

$(BUILD)/$(1)/bench/%: tests/bench/%.c $(SOURCES:service/%.c=$(BUILD)/$(1)/%.o) $(BUILD)/$(1)/embedded.o
	@mkdir -p $$(@D)
	@echo 'LINK $$@'
	$$(Q)$$(CC) $$(FLAGS) $$(CFLAGS_$(1)) -Itests/unit $$(pkg_cflags) -MMD -MP $$< $$(filter %.o,$$^) $$(LDFLAGS_$(1)) $$(pkg_libs) -o $$@
endef
$(foreach v,release test asan cov fuzz,$(eval $(call variant,$(v))))

$(BUILD)/fuzz/%: CC := clang-19

$(BUILD)/usaged: $(BUILD)/release/usaged
	@cp $< $@.new && mv -f $@.new $@

# --- running ----------------------------------------------------------------------------------------------------

unit_programs = $(UNIT:%=$(BUILD)/$(1)/unit/%)
flow_programs = $(BUILD)/$(1)/usaged $(BUILD)/$(1)/fuzz/events $(BUILD)/$(1)/flow/fenced

demo: build
	@$(PYTHON) tests/demo/demo.py

# Flow tests run the build with failpoints; its code is otherwise the same. They wait more than they work, so three rigs at
# once, each with files of its own, take half the time. The long files go first, so that none is left alone at the end.
LONG_FIRST := schemathesis hub_faults export import import_command import_faults hub export_command parked database_refusals replay mend outages takeover zombies outcomes dead_letters evolution kills acls query parked_filter http_write_faults

test: install-test
	@$(MAKE) --no-print-directory $(BUILD)/usaged $(call flow_programs,test) $(BUILD)/test/fuzz/differential $(BUILD)/test/fuzz/model \
	  $(call unit_programs,test)
	@USAGED_BIN=$(BUILD)/test/usaged $(PYTHON) tests/run.py --unit $(call unit_programs,test) \
	  --pytest -q -m 'not long' -n 3 --dist loadfile --no-loadscope-reorder --durations=10 $(LONG_FIRST:%=tests/flow/test_%.py) \
	  tests/flow tests/conformance tests/lib tests/fuzz

unit: install-test
	@$(MAKE) --no-print-directory $(call unit_programs,test)
	@$(PYTHON) tests/run.py --unit $(call unit_programs,test)

flow: install-test
	@$(MAKE) --no-print-directory $(call flow_programs,test)
	@USAGED_BIN=$(BUILD)/test/usaged $(PYTHON) tests/run.py --pytest -q tests/flow

conformance: install-test
	@$(MAKE) --no-print-directory $(BUILD)/test/usaged
	@USAGED_BIN=$(BUILD)/test/usaged $(PYTHON) tests/run.py --pytest -q tests/conformance

faults: install-test
	@$(MAKE) --no-print-directory $(call flow_programs,test)
	@USAGED_BIN=$(BUILD)/test/usaged $(PYTHON) tests/run.py --pytest -q -m long -n 3 --dist loadfile \
	  tests/faults tests/flow

rig:
	@$(PYTHON) tests/rig/rig.py up

asan: install-test
	@$(MAKE) --no-print-directory $(call flow_programs,asan) $(call unit_programs,asan)
	@USAGED_BIN=$(BUILD)/asan/usaged ASAN_OPTIONS=detect_leaks=1:abort_on_error=0 $(PYTHON) tests/run.py \
	  --unit $(call unit_programs,asan) --pytest -q -m 'not long' -n 2 --dist loadfile --no-loadscope-reorder \
	  tests/flow tests/conformance

coverage: install-check install-test
	@$(MAKE) --no-print-directory $(call flow_programs,cov) $(call unit_programs,cov)
	@USAGED_BIN=$(BUILD)/cov/usaged $(PYTHON) tests/run.py --unit $(call unit_programs,cov) --pytest -q tests/flow tests/conformance
	@mkdir -p $(BUILD)/coverage
	@gcovr -r . --object-directory $(BUILD)/cov -e tests --html-details $(BUILD)/coverage/index.html --print-summary

bench: bench-ingest bench-http bench-export bench-import bench-hub

bench-ingest: build
	@$(PYTHON) tests/bench/bench.py

bench-http: build install-bench
	@$(PYTHON) tests/bench/http_bench.py

bench-lookup: build
	@$(PYTHON) tests/bench/lookup_bench.py

bench-parked: build
	@$(PYTHON) tests/bench/parked_bench.py

bench-export: build
	@$(PYTHON) tests/bench/export_bench.py

bench-hub: build
	@$(PYTHON) tests/bench/hub_bench.py

bench-import: build
	@$(PYTHON) tests/bench/import_bench.py

pieces: build install-test
	@$(MAKE) --no-print-directory $(BENCHES:%=$(BUILD)/release/bench/%)
	@for b in $(BENCHES:%=$(BUILD)/release/bench/%); do $$b; done

fuzz: install-check
	@$(MAKE) --no-print-directory $(FUZZ:%=$(BUILD)/fuzz/fuzz/fuzz_%)
	@tests/fuzz/run.sh $(FUZZ_SECONDS) $(BUILD)/fuzz/fuzz $(FUZZ)

differential: install-test
	@$(MAKE) --no-print-directory $(BUILD)/test/fuzz/differential $(BUILD)/test/unit/test_reader_oracle
	@ORACLE_SCHEMAS=200 ORACLE_RECORDS=5000 $(BUILD)/test/unit/test_reader_oracle
	@$(PYTHON) tests/fuzz/differential.py $(BUILD)/test/fuzz/differential --schemas 200 --records 1000000

protocol:
	@docs/protocol/check.sh

format: install-check
	@clang-format-19 -i service/*.c service/*/*.[ch] tests/unit/*.[ch] tests/bench/*.c tests/flow/*.c tests/fuzz/*.[ch]

C_FILES := $(wildcard service/*.c service/*/*.c)

check: install-check
	@echo 'check: format'
	@clang-format-19 --dry-run -Werror service/*.c service/*/*.[ch] tests/unit/*.[ch] tests/bench/*.c tests/flow/*.c tests/fuzz/*.[ch]
	@echo 'check: layers'
	@tests/layers.sh
	@echo 'check: shellcheck'
	@shellcheck tests/*.sh tests/fuzz/*.sh service/*.sh docs/protocol/check.sh .ci/run
	@echo 'check: warnings as errors'
	@$(MAKE) --no-print-directory BUILD=$(BUILD)/werror EXTRA=-Werror $(BUILD)/werror/release/usaged \
	  $(call unit_programs,werror/release) >/dev/null
	@echo 'check: cppcheck'
	@cppcheck --quiet --error-exitcode=1 --inline-suppr --std=c11 --enable=warning,portability \
	  --suppress=missingIncludeSystem -Iservice -j2 service
	@echo 'check: clang-tidy'
	@printf '%s\n' $(C_FILES) | xargs -P2 -I{} sh -c 'clang-tidy-19 --quiet --warnings-as-errors="*" {} -- \
	  -std=gnu17 -Iservice $(pkg_cflags) 2>/dev/null || exit 255'
	@echo 'check: all is well'

-include $(wildcard $(BUILD)/*/*.d $(BUILD)/*/*/*.d)

clean:
	rm -rf $(BUILD)
