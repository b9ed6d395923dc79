SELECT
    $symbol AS symbol,
    make_timestamp(CASE WHEN microseconds >= $from AND microseconds < $until THEN microseconds END)
        AS open_time,
    open,
    high,
    low,
    close,
    volume,
    alias.open_time + to_microseconds($interval) - INTERVAL 1 MILLISECOND AS close_time,
    quote_volume,
    count,
    taker_buy_volume,
    taker_buy_quote_volume,
    CASE
        WHEN csv_open_time IS NULL OR open IS NULL OR high IS NULL OR low IS NULL OR close IS NULL
            OR volume IS NULL THEN 'a cell is blank'
        WHEN alias.open_time IS NULL THEN 'its time is outside the file''s range'
        WHEN alias.open_time > make_timestamp($latest) THEN 'its time lies in the future'
        WHEN microseconds % $interval <> 0 THEN 'its opening time is not on the interval''s grid'
        WHEN NOT (low > 0 AND isfinite(high)) THEN 'a price is not a positive number'
        WHEN NOT (low <= least(open, close) AND high >= greatest(open, close))
            THEN 'low, open, close and high contradict each other'
        WHEN high > $max_price THEN 'a price is beyond all bounds'
        WHEN high >= $max_spread * low THEN 'its high is a million times its low or more'
        WHEN NOT (volume >= 0 AND isfinite(volume)) THEN 'the volume is not a number from 0'
        WHEN NOT (coalesce(quote_volume, 0) >= 0 AND isfinite(coalesce(quote_volume, 0))
            AND coalesce(taker_buy_volume, 0) >= 0 AND isfinite(coalesce(taker_buy_volume, 0))
            AND coalesce(taker_buy_quote_volume, 0) >= 0
            AND isfinite(coalesce(taker_buy_quote_volume, 0)) AND coalesce(count, 0) >= 0)
            THEN 'a volume or the count is not a number from 0'
        WHEN greatest(volume, quote_volume, taker_buy_volume, taker_buy_quote_volume)
            > $max_quantity THEN 'a volume is beyond all bounds'
    END AS reason,
    CASE WHEN reason IS NOT NULL THEN
        concat(csv_open_time, ',', open, ',', high, ',', low, ',', close, ',', volume, ',',
               quote_volume, ',', count, ',', taker_buy_volume, ',', taker_buy_quote_volume)
    END AS raw
FROM (SELECT * RENAME (open_time AS csv_open_time),
             CASE WHEN open_time >= $microseconds_from THEN open_time
                  WHEN open_time >= 0 THEN open_time * 1000 END AS microseconds FROM csv)
