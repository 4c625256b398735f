SELECT CASE WHEN ok THEN CAST(n AS varchar) ELSE 'x' END, r.m['k'], json_extract_scalar(a, '$.b') FROM t
