SELECT a.extra.key FROM t
