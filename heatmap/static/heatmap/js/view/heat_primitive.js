// Draws the heat under the candles: one picture per frame, and hatching where data are missing.
// A primitive of lightweight-charts; https://tradingview.github.io/lightweight-charts/docs/plugins

const HATCH_PX = 7;

export class HeatPrimitive {
  constructor() {
    this.grid = null;
    this.raster = null;
    this.gaps = [];
    this.empty = null;
    const view = { zOrder: () => "bottom", renderer: () => this };
    this.views = [view];
  }

  attached({ chart, series, requestUpdate }) {
    Object.assign(this, { chart, series, requestUpdate });
  }

  detached() {
    this.requestUpdate = null;
  }

  paneViews() {
    return this.views;
  }

  /** `gaps`: [{from, to}] in columns; `empty`: the colour of nothing. */
  show(grid, raster, gaps, empty) {
    Object.assign(this, { grid, raster, gaps, empty });
    this.requestUpdate?.();
  }

  draw(target) {
    if (!this.grid) return;
    target.useBitmapCoordinateSpace((scope) => {
      const area = this.area(scope);
      const { context } = scope;
      context.fillStyle = this.empty;
      context.fillRect(0, 0, scope.bitmapSize.width, scope.bitmapSize.height);
      if (!area) return;
      this.drawCells(context, area, scope);
      for (const gap of this.gaps) hatch(context, area, gap, scope);
    });
  }

  /** Where column 0 and row 0 begin and how large a cell is, in pixels of the screen. */
  area({ horizontalPixelRatio, verticalPixelRatio }) {
    const { grid } = this;
    const time = this.chart.timeScale();
    const [first, second] = [0, 1].map((index) => time.logicalToCoordinate(index));
    const top = grid.firstPrice + grid.rows * grid.binSize;
    const [bottomY, topY] = [grid.firstPrice, top].map((price) =>
      this.series.priceToCoordinate(price),
    );
    if ([first, second, bottomY, topY].includes(null)) return null;
    const width = (second - first) * horizontalPixelRatio;
    // A pixel's middle is its coordinate for the library, hence the half.
    return {
      left: (first + 0.5) * horizontalPixelRatio - width / 2,
      bottom: (bottomY + 0.5) * verticalPixelRatio,
      width,
      height: ((bottomY - topY) * verticalPixelRatio) / grid.rows,
    };
  }

  drawCells(context, area, { bitmapSize }) {
    const across = Math.max(1, Math.ceil(1 / area.width - 1e-6));
    const down = Math.max(1, Math.ceil(1 / area.height - 1e-6));
    const picture = this.raster.picture(across, down);
    const [width, height] = [area.width * across, area.height * down];
    const top = area.bottom - picture.height * height;
    const columns = seen(-area.left / width, (bitmapSize.width - area.left) / width, picture.width);
    const rows = seen(-top / height, (bitmapSize.height - top) / height, picture.height);
    if (columns.count <= 0 || rows.count <= 0) return;
    context.imageSmoothingEnabled = false;
    context.drawImage(
      picture,
      columns.first,
      rows.first,
      columns.count,
      rows.count,
      area.left + columns.first * width,
      top + rows.first * height,
      columns.count * width,
      rows.count * height,
    );
  }
}

function seen(from, to, size) {
  const first = Math.max(Math.floor(from), 0);
  return { first, count: Math.min(Math.ceil(to), size) - first };
}

function hatch(context, area, { from, to }, { bitmapSize, horizontalPixelRatio }) {
  const left = Math.max(area.left + from * area.width, 0);
  const right = Math.min(area.left + to * area.width, bitmapSize.width);
  if (right <= left) return;
  const { height } = bitmapSize;
  const distance = HATCH_PX * horizontalPixelRatio;
  context.save();
  context.beginPath();
  context.rect(left, 0, right - left, height);
  context.clip();
  context.fillStyle = "rgba(128, 128, 128, 0.25)";
  context.fillRect(left, 0, right - left, height);
  context.strokeStyle = "rgba(220, 220, 220, 0.5)";
  context.lineWidth = horizontalPixelRatio;
  context.beginPath();
  for (let x = left - height - (left % distance); x < right; x += distance) {
    context.moveTo(x, height);
    context.lineTo(x + height, 0);
  }
  context.stroke();
  context.restore();
}
