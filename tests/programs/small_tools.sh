#!/bin/bash
# small_tools.sh - sort, tar, xz with threads, sqlite3, lua, awk: the same output as plainly.
. "$(dirname "$0")/lib.sh"

awk 'BEGIN { s = 1; for (i = 0; i < 200000; i++) { s = (s * 69069 + 1) % 4294967296; print s, i, "text" s % 97 } }' >numbers
same_output sort sort -k3,3 -k1,1n --parallel=4 numbers
same_output awk awk '{ count[$3] += $1 % 1000; text[$3] = text[$3] substr($1, 1, 2) }
    END { for (i = 0; i < 97; i++) print i, count["text" i], length(text["text" i]) }' numbers

mkdir tree && for i in $(seq 200); do head -c $((i * 37)) numbers >"tree/file$i"; done
same_output tar tar --sort=name --mtime=@0 --owner=0 --group=0 -cf - tree

if command -v xz >/dev/null; then
    same_output xz xz -T2 --block-size=1MiB -3 -c numbers
    same_output unxz xz -dc -T2 xz.ours
fi
if command -v sqlite3 >/dev/null; then
    cat >script.sql <<'END'
create table t(a integer primary key, b text, c real);
with recursive n(i) as (values(1) union all select i + 1 from n where i < 30000)
    insert into t select i, 'row ' || (i * 7919 % 1009), i / 3.0 from n;
create index tb on t(b);
select b, count(*), sum(a), group_concat(a % 10, '') from t group by b order by b limit 50;
select count(*) from t x join t y on x.b = y.b where x.a < 300;
update t set b = b || b where a % 3 = 0; delete from t where a % 5 = 0;
select count(*), sum(length(b)), round(sum(c), 3) from t;
END
    same_output sqlite3 sqlite3 :memory: ".read script.sql"
fi
lua=$(command -v lua5.4 || command -v lua5.3 || command -v lua || true)
if [ -n "$lua" ]; then
    cat >script.lua <<'END'
local t, s = {}, 1
for i = 1, 200000 do
    s = (s * 1103515245 + 12345) % 2147483648
    t[s % 5003] = (t[s % 5003] or "") .. string.char(97 + i % 26)
    if i % 11 == 0 then t[i % 5003] = nil end
end
local n = 0
for k = 0, 5002 do if t[k] then n = n + #t[k]; io.write(t[k]:sub(1, 3), " ") end end
print(n)
END
    same_output lua "$lua" script.lua
fi
