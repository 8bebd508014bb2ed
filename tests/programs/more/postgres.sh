#!/bin/bash
# postgres.sh - PostgreSQL under pgbench: forks, shared buffers, sums that must stay in balance.
. "$(dirname "$0")/../lib.sh"
need pgbench psql
bin=$(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | tail -1)
[ -n "$bin" ] || skip "no PostgreSQL server"

run_as=
if [ "$(id -u)" -eq 0 ]; then # the server refuses root
    id postgres >/dev/null 2>&1 || skip "no user postgres"
    run_as="runuser -u postgres --"
    area=$(mktemp -d) && cp "$library" "$area/libarenite.so" && library=$area/libarenite.so
    chmod 755 "$area" && mkdir "$area/data" && chown postgres "$area/data"
else
    area=$PWD && mkdir "$area/data"
fi
port=$((40000 + $$ % 10000))
data=$area/data
$run_as env LD_PRELOAD="$library" "$bin/initdb" -D "$data/db" -A trust -U postgres >initdb.log 2>&1 ||
    { tail initdb.log; fail "initdb"; }
$run_as env LD_PRELOAD="$library" "$bin/pg_ctl" -D "$data/db" -w -l "$data/log" \
    -o "-p $port -k $data -c listen_addresses= -c shared_buffers=32MB" start >start.log 2>&1 ||
    { cat start.log "$data/log"; fail "start"; }
trap '$run_as "$bin/pg_ctl" -D "$data/db" -m immediate stop >/dev/null 2>&1; rm -rf "$area/data" "$area/libarenite.so"; rmdir "$area" 2>/dev/null' EXIT
server=$(head -1 "$data/db/postmaster.pid")
grep -q "$library" "/proc/$server/maps" || fail "the library is not loaded"
client="-h $data -p $port -U postgres"
arenite_env pgbench $client -q -i -s 3 postgres >init.log 2>&1 || { tail init.log; fail "pgbench -i"; }
arenite_env pgbench $client -c 8 -j 2 -t 400 postgres >bench.log 2>&1 || { tail bench.log; fail "pgbench"; }
grep -E 'processed|tps' bench.log
balance=$(psql $client -At -c "select (select sum(abalance) from pgbench_accounts) =
    (select sum(bbalance) from pgbench_branches)" postgres)
[ "$balance" = t ] || fail "the sums differ"
if grep '^arenite: ' "$data/log" bench.log; then fail "arenite complains"; fi
$run_as "$bin/pg_ctl" -D "$data/db" -m fast -w stop >/dev/null || fail "stop"
