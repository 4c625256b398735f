WITH x AS (SELECT r.x AS x, eventtime FROM t) SELECT * FROM x JOIN u ON x.x = u.a LEFT JOIN t USING (a)
