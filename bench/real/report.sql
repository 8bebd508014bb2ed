-- Sorts, aggregates and joins: memory contexts that grow and go.
select bid, count(*), sum(abalance), string_agg(filler, '' order by aid desc) from pgbench_accounts
    where aid % 7 = 0 group by bid;
select a.bid, b.bid, count(*) from pgbench_accounts a join pgbench_accounts b on a.abalance = b.abalance
    and a.aid < 2000 and b.aid between 1000 and 1400 group by 1, 2;
