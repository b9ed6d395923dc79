// The codes of the grid as a picture, one pixel per cell, or one for several where cells are
// smaller than pixels; then the pixel has the largest of them, so that no thin level gets lost.

const KEPT = 3;

export class Raster {
  /** `codes` [rows, columns], the lowest price first. */
  constructor(codes, columns, rows) {
    this.full = { codes, columns, rows };
    this.table = null;
    this.pooled = new Map();
    this.pictures = new Map();
  }

  /** Uses another colour table from now on. */
  paint(table) {
    this.table = table;
    this.pictures.clear();
  }

  /** The picture, the highest price on top, with `across` x `down` cells in each pixel. */
  picture(across, down) {
    const key = `${across}x${down}`;
    let picture = this.pictures.get(key);
    if (!picture) {
      picture = paintedPicture(this.pool(across, down, key), this.table);
      keep(this.pictures, key, picture);
    }
    return picture;
  }

  pool(across, down, key) {
    if (across === 1 && down === 1) return this.full;
    let cells = this.pooled.get(key);
    if (!cells) {
      cells = pooledCells(this.full, across, down);
      keep(this.pooled, key, cells);
    }
    return cells;
  }
}

function keep(cache, key, value) {
  if (cache.size >= KEPT) cache.delete(cache.keys().next().value);
  cache.set(key, value);
}

/** Cells with the largest code of `across` x `down` cells, counted from the lower left. */
export function pooledCells({ codes, columns, rows }, across, down) {
  const width = Math.ceil(columns / across);
  const height = Math.ceil(rows / down);
  const largest = new Uint16Array(width * height);
  for (let row = 0; row < rows; row += 1) {
    const target = Math.floor(row / down) * width;
    const source = row * columns;
    for (let column = 0, to = target; column < columns; to += 1) {
      const end = Math.min(column + across, columns);
      let most = largest[to];
      for (; column < end; column += 1) {
        if (codes[source + column] > most) most = codes[source + column];
      }
      largest[to] = most;
    }
  }
  return { codes: largest, columns: width, rows: height };
}

function paintedPicture({ codes, columns, rows }, table) {
  const canvas = new OffscreenCanvas(columns, rows);
  const context = canvas.getContext("2d");
  const image = context.createImageData(columns, rows);
  const pixels = new Uint32Array(image.data.buffer);
  for (let row = 0; row < rows; row += 1) {
    const from = row * columns;
    const to = (rows - 1 - row) * columns;
    for (let column = 0; column < columns; column += 1) {
      pixels[to + column] = table[codes[from + column]];
    }
  }
  context.putImageData(image, 0, 0);
  return canvas;
}
