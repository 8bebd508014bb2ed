#!/bin/bash
# many_threads.sh - sort and xz with many threads on more data.
. "$(dirname "$0")/../lib.sh"

awk 'BEGIN { s = 7; for (i = 0; i < 1500000; i++) { s = (s * 69069 + 1) % 4294967296; print s % 99991, "row" i } }' >rows
same_output sort sort --parallel=8 -S 40M -k1,1n -k2,2 rows
command -v xz >/dev/null && same_output xz xz -T8 --block-size=512KiB -1 -c rows
exit 0
