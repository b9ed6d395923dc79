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
        WHEN alias.timestamp IS NULL AND labels = 1 AND at_start
            THEN 'it is dated by the day alone, and no other row says at which instant it held'
        WHEN alias.timestamp IS NULL THEN 'its time is outside the file''s range'
        WHEN alias.timestamp > make_timestamp($latest) THEN 'its time lies in the future'
        WHEN NOT (sum_open_interest >= 0 AND isfinite(sum_open_interest))
            THEN 'the open interest is not a number from 0'
        WHEN NOT (coalesce(sum_open_interest_value, 0) >= 0
            AND isfinite(coalesce(sum_open_interest_value, 0)))
            THEN 'the value of the open interest is not a number from 0'
        WHEN greatest(sum_open_interest, sum_open_interest_value) > $max_quantity
            THEN 'the open interest is beyond all bounds'
    END AS reason,
    CASE WHEN reason IS NOT NULL THEN
        concat(create_time, ',', csv_symbol, ',', sum_open_interest, ',', sum_open_interest_value)
    END AS raw
FROM (SELECT *, label + to_microseconds(
             CASE WHEN labels > 1 AND at_start AND NOT at_end THEN $step
                  WHEN labels > 1 AND at_end AND NOT at_start THEN 0
                  ELSE $label_shift END) AS valid_at
      FROM (SELECT *, count(label) OVER () AS labels,
                   bool_or(label = make_timestamp($day)) OVER () AS at_start,
                   bool_or(label = make_timestamp($next_day)) OVER () AS at_end
            FROM (SELECT * RENAME (symbol AS csv_symbol),
                         try_cast(create_time AS TIMESTAMP) AS label
                  FROM csv)))
