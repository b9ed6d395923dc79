// The liquidation map's bars: neighbouring price buckets summed until a bar is wide enough to see.

const LEAST_BAR_PX = 5;
const REACH = 0.13;

/** Leverages from low to high get these colours, as traders know them from other maps. */
const COLOURS = ["#7fd8d4", "#74b9ee", "#5a86f5", "#f7c325", "#ee8434"];

export function colourOf(index, count) {
  if (count <= COLOURS.length) return COLOURS[COLOURS.length - count + index];
  return COLOURS[Math.round((index / (count - 1)) * (COLOURS.length - 1))];
}

/** Rows of `answer` between the prices low and high. */
export function rowsBetween({ meta, data }, low, high) {
  const step = meta.price_bin_size;
  return data.filter((row) => row.price + step > low && row.price < high);
}

/** The price range that is shown at first: around the price, as far as there is something. */
export function usualRange({ meta, data }) {
  const step = meta.price_bin_size;
  const low = Math.max(meta.price * (1 - REACH), data[0].price);
  const high = Math.min(meta.price * (1 + REACH), data.at(-1).price + step);
  return { low, high };
}

/**
 * Bars {low, high, amounts (by leverage), total, long, short, cumulativeLong, cumulativeShort} for
 * a plot of `width` px; edges are multiples of a bar's step, so panning does not regroup them.
 */
export function barsOf(rows, step, width, side) {
  const each = Math.max(1, Math.ceil((rows.length * LEAST_BAR_PX) / width));
  const bars = new Map();
  for (const row of rows) {
    const key = Math.floor(Math.round(row.price / step) / each);
    let bar = bars.get(key);
    if (!bar) {
      bar = emptyBar(row, key * each * step);
      bars.set(key, bar);
    }
    addRow(bar, row, step, side);
  }
  return [...bars.values()];
}

function emptyBar(row, low) {
  return {
    low,
    high: low,
    amounts: row.long.map(() => 0),
    total: 0,
    long: 0,
    short: 0,
    cumulativeLong: row.cumulative_long,
    cumulativeShort: row.cumulative_short,
  };
}

function addRow(bar, row, step, side) {
  bar.high = row.price + step;
  // Longs below are counted from this bar's lower edge, shorts through its upper one.
  bar.cumulativeShort = row.cumulative_short;
  row.long.forEach((long, i) => {
    const short = row.short[i];
    bar.long += long;
    bar.short += short;
    bar.amounts[i] += (side === "short" ? 0 : long) + (side === "long" ? 0 : short);
  });
  bar.total = bar.amounts.reduce((sum, amount) => sum + amount, 0);
}

/** About `count` round steps from 0 to at least `most`. */
export function ticks(most, count = 5) {
  const rough = Math.max(most, 1e-9) / count;
  const size = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 2.5, 5, 10].map((factor) => factor * size).find((one) => one >= rough);
  return Array.from({ length: Math.ceil(most / step - 1e-9) + 1 }, (_, i) => i * step);
}
