SELECT
    $symbol AS symbol,
    agg_trade_id,
    make_timestamp(CASE WHEN microseconds >= $from AND microseconds < $until THEN microseconds END)
        AS timestamp,
    price,
    quantity,
    first_trade_id,
    last_trade_id,
    is_buyer_maker,
    CASE
        WHEN agg_trade_id IS NULL OR transact_time IS NULL OR price IS NULL OR quantity IS NULL
            OR first_trade_id IS NULL OR last_trade_id IS NULL OR is_buyer_maker IS NULL
            THEN 'a cell is blank'
        WHEN timestamp IS NULL THEN 'its time is outside the file''s range'
        WHEN alias.timestamp > make_timestamp($latest) THEN 'its time lies in the future'
        WHEN NOT (price > 0 AND isfinite(price)) THEN 'the price is not a positive number'
        WHEN NOT (quantity > 0 AND isfinite(quantity)) THEN 'the quantity is not a positive number'
        WHEN price > $max_price THEN 'the price is beyond all bounds'
        WHEN quantity > $max_quantity THEN 'the quantity is beyond all bounds'
    END AS reason,
    CASE WHEN reason IS NOT NULL THEN
        concat(agg_trade_id, ',', price, ',', quantity, ',', first_trade_id, ',', last_trade_id,
               ',', transact_time, ',', is_buyer_maker) END AS raw
FROM (SELECT *, CASE WHEN transact_time >= $microseconds_from THEN transact_time
                     WHEN transact_time >= 0 THEN transact_time * 1000 END AS microseconds FROM csv)
