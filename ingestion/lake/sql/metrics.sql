SELECT
    $symbol AS symbol,
    CASE WHEN valid_at >= make_timestamp($from) AND valid_at < make_timestamp($until)
         THEN valid_at END AS timestamp,
    sum_open_interest AS open_interest_contracts,
    sum_open_interest_value AS open_interest_value,
    'archive' AS source,
    CASE
        WHEN create_time IS NULL OR sum_open_interest IS NULL THEN 'a cell is blank'
        WHEN valid_at IS NULL THEN 'its time cannot be read'
        WHEN csv_symbol IS NOT NULL AND csv_symbol <> $symbol THEN 'it belongs to another symbol'
        WHEN alias.timestamp IS NULL THEN 'its time is outside the file''s range'
        WHEN NOT (sum_open_interest >= 0 AND isfinite(sum_open_interest))
            THEN 'the open interest is not a number from 0'
        WHEN NOT (coalesce(sum_open_interest_value, 0) >= 0
            AND isfinite(coalesce(sum_open_interest_value, 0)))
            THEN 'the value of the open interest is not a number from 0'
    END AS reason,
    CASE WHEN reason IS NOT NULL THEN
        concat(create_time, ',', csv_symbol, ',', sum_open_interest, ',', sum_open_interest_value)
    END AS raw
FROM (SELECT * RENAME (symbol AS csv_symbol),
             try_cast(create_time AS TIMESTAMP) + to_microseconds($label_shift) AS valid_at
      FROM csv)
