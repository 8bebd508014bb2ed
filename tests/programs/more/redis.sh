#!/bin/bash
# redis.sh - redis-server under redis-benchmark on the loopback; its data survive a background save.
. "$(dirname "$0")/../lib.sh"
need redis-server redis-cli redis-benchmark

port=$((20000 + $$ % 20000))
cli() { redis-cli -p "$port" "$@"; }
LD_PRELOAD=$library redis-server --port "$port" --bind 127.0.0.1 --save '' --dir "$PWD" --io-threads 2 \
    --loglevel warning >server.log 2>&1 &
server=$!
trap 'kill $server 2>/dev/null; wait $server 2>/dev/null' EXIT
for _ in $(seq 100); do cli ping >/dev/null 2>&1 && break; sleep 0.1; done
[ "$(cli ping)" = PONG ] || { cat server.log; fail "the server does not answer"; }
grep -q "$library" "/proc/$server/maps" || fail "the library is not loaded"
allocator=$(cli info memory | tr -d '\r' | sed -n 's/^mem_allocator://p')
echo "the server says its allocator is $allocator"
redis-benchmark -p "$port" -q -n 30000 -c 20 -r 5000 -d 300 -P 8 \
    -t set,get,lpush,lrange_100,sadd,hset,zadd || fail "redis-benchmark"
for i in $(seq 50); do cli set "key$i" "$(printf 'v%.0s' $(seq "$i"))" >/dev/null; done
cli save >/dev/null
[ "$(cli get key50 | wc -c)" -eq 51 ] || fail "a value is wrong"
cli flushall >/dev/null
cli memory purge >/dev/null
kill -0 "$server" || { cat server.log; fail "the server died"; }
if grep '^arenite: ' server.log; then fail "arenite complains"; fi
cli shutdown nosave 2>/dev/null
wait "$server" || fail "the server's exit status is $?"
trap - EXIT
