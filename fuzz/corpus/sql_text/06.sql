SELECT filter(ARRAY[1, 2], v -> v > 1)[1], ROW(1, 'a'), DECIMAL '1.5', U&'\0041', X'00ff', 1e5
