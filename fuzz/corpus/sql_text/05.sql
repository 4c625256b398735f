SELECT * FROM t WHERE eventtime BETWEEN TIMESTAMP '2021-01-01 00:00:00' AND now() - interval '7' day AND a IN ('x', 'y') AND a LIKE 'p%'
