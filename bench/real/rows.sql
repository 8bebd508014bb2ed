-- A database that lives in memory: filled, indexed and grouped.
CREATE TABLE rows (id INTEGER PRIMARY KEY, name TEXT, value REAL);
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 300000)
INSERT INTO rows SELECT i, printf('name-%d', i * 7919 % 100003), i * 0.5 FROM n;
CREATE INDEX by_name ON rows (name);
SELECT count(*), sum(value) FROM (SELECT name, sum(value) AS value FROM rows GROUP BY name);
