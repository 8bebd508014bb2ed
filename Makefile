# Thin over the cmake presets. `make help` lists what there is.

JOBS   ?= $(shell nproc)
PREFIX ?= /usr/local

# The distribution's own, where there is one: a wrapper of that name would be measured with it.
PYTHON   ?= $(firstword $(wildcard /usr/bin/python3) python3)
WORKLOAD := env PYTHONMALLOC=malloc $(PYTHON) bench/real/objects.py

.DEFAULT_GOAL := all
.PHONY: nochecks all run test test-programs misuse attack fuzz soak prefixed dev asan tsan i386 tidy format bench bench-model install clean help \
        setup

all: ## release build: build/libarenite.so, build/libarenite.a, build/arenite
	@command -v cmake >/dev/null || { echo "cmake is missing: run scripts/setup first"; exit 1; }
	@cmake --preset release >/dev/null
	@cmake --build build -j $(JOBS)

setup: ## install the Debian packages that are missing
	@scripts/setup

run: setup ## build, compare allocators on a real program, show the statistics of one run
	@$(MAKE) --no-print-directory all
	@build/arenite compare -n 3 -- $(WORKLOAD)
	@build/arenite run --summary -- $(WORKLOAD)

test: setup ## build everything and run every test but the bigger programs
	@scripts/test

test-programs: setup ## the bigger suite of real programs (node, java, redis, PostgreSQL)
	@scripts/setup --programs
	@scripts/test programs-more

nochecks: ## build/nochecks/libarenite.so: without misuse checks, to see what they cost
	@cmake --preset nochecks >/dev/null
	@cmake --build build/nochecks -j $(JOBS)

misuse: all ## 116 small wrong programs: how many each allocator catches
	@cmake --build build -j $(JOBS) --target misuse
	@tests/misuse/run build/tests/misuse/misuse --peers default=build/libarenite.so \
		hardened=build/libarenite.so,profile=hardened \
		ptmalloc=build/libarenite.so,profile=ptmalloc

attack: all ## 10,000 random programs with one bug each: how many let an attacker into the heap
	@cmake --build build -j $(JOBS) --target attack
	@ARENITE_TEST_SEEDS=$${ARENITE_TEST_SEEDS:-10000} tests/attack/run build/tests/attack/attack \
		--peers default=build/libarenite.so \
		hardened=build/libarenite.so,profile=hardened \
		ptmalloc=build/libarenite.so,profile=ptmalloc

fuzz: ## the fuzz harnesses with libFuzzer, a minute each (ARENITE_FUZZ_SECONDS; FUZZER=afl)
	@scripts/setup --fuzz
	@scripts/fuzz $(or $(FUZZER),libfuzzer)

soak: all ## 15 minutes of mixed traffic (ARENITE_SOAK_SECONDS), and 300 hours of the model's clock
	@cmake --build build -j $(JOBS) --target soak
	@cmake --preset dev >/dev/null
	@cmake --build build/dev -j $(JOBS) --target on_model_hours
	@ARENITE_TEST_STEPS=300 build/dev/tests/on_model_hours
	@ARENITE_SOAK_SECONDS=$${ARENITE_SOAK_SECONDS:-900} LD_PRELOAD=build/libarenite.so \
		build/tests/soak/soak

prefixed: all ## build/libarenite-prefixed.a: arenite_malloc and friends, beside another malloc
	@cmake --build build -j $(JOBS) --target prefixed

dev asan tsan i386: ## build and run the unit tests of one preset
	@scripts/test $@

tidy: ## the style guide as tests
	@scripts/test tidy

format: ## rewrite the sources in the house style
	@git ls-files '*.c' '*.h' '*.cc' | xargs clang-format -i

bench: all ## compare allocators on the rows of bench/rows.py (see bench/README.md)
	@bench/run --report build/bench/report

bench-model: all ## time the model, index by index
	@cmake --build build -j $(JOBS) --target model_benches
	@for bench in build/bench/model_*; do [ ! -x "$$bench" ] || "$$bench" || exit; done

install: all ## into PREFIX (default /usr/local); DESTDIR is honoured
	@cmake --install build --prefix $(PREFIX)

clean: ## remove build/
	@rm -rf build

help: ## this list
	@sed -n 's/^\([a-z0-9 -]*\):[^#]*## \(.*\)/\1\t\2/p' Makefile | expand -t 24
