#!/bin/sh
# run.sh - runs fuzz targets one after the other: `make fuzz`.
#
#   tests/fuzz/run.sh SECONDS FOLDER TARGET...      FOLDER has the built targets, and keeps what they learn
#
# A line a target. A finding ends its run: the case is kept in tests/fuzz/found, which make test goes through from
# then on, and the exit code is 1 once all have run.
set -eu

here=tests/fuzz
seconds=$1
built=$2
shift 2
failed=0

export ASAN_OPTIONS="detect_leaks=1:allocator_may_return_null=0:${ASAN_OPTIONS:-}"
export UBSAN_OPTIONS="print_stacktrace=1:${UBSAN_OPTIONS:-}"
# avro-c loses memory where a schema is wrong halfway; that is not ours to mend.
export LSAN_OPTIONS="suppressions=$here/leaks.supp:print_suppressions=0:${LSAN_OPTIONS:-}"

for name in "$@"; do
    corpus=$built/corpus/$name
    log=$built/$name.log
    mkdir -p "$corpus" "$here/found/$name"
    if "$built/fuzz_$name" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=1024 -max_len=65536 \
        -artifact_prefix="$here/found/$name/" -print_final_stats=1 "$corpus" "$here/seeds/$name" \
        "$here/found/$name" >"$log" 2>&1; then
        runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
        cover=$(sed -n 's/.* cov: \([0-9]*\) .*/\1/p' "$log" | tail -n 1)
        printf 'fuzz: %-9s %s runs in %s s, %s places reached, nothing found\n' "$name" "$runs" "$seconds" "$cover"
    else
        failed=1
        case=$(sed -n 's/.*Test unit written to //p' "$log" | tail -n 1)
        printf 'fuzz: %-9s FOUND %s\n' "$name" "${case:-nothing that could be kept}"
        grep -m 1 -E 'ERROR: |runtime error: |Assertion' "$log" | sed 's/^/      /' || true
        printf '      the whole report: %s; again: %s/fuzz_%s %s\n' "$log" "$built" "$name" "$case"
    fi
done
rmdir "$here"/found/* 2>/dev/null || true
exit $failed
