// The colours of the heat: matplotlib's viridis, magma and cividis (CC0) at ten even steps.

const STOPS = {
  viridis: ["440154", "482878", "3e4989", "31688e", "26828e", "1f9e89", "35b779", "6ece58", "b5de2b", "fde725"],
  magma: ["000004", "180f3d", "440f76", "721f81", "9e2f7f", "cd4071", "f1605d", "fd9668", "feca8d", "fcfdbf"],
  cividis: ["00224e", "123570", "3b496c", "575d6d", "707173", "8a8678", "a59c74", "c3b369", "e1cc55", "fee838"],
};

/** [red, green, blue] at `share` (0 to 1) of a palette. */
export function colourAt(palette, share) {
  const stops = STOPS[palette];
  const place = Math.min(Math.max(share, 0), 1) * (stops.length - 1);
  const left = Math.min(Math.floor(place), stops.length - 2);
  const [from, to] = [stops[left], stops[left + 1]].map(channels);
  return from.map((value, i) => Math.round(value + (to[i] - value) * (place - left)));
}

export function cssColour(palette, share) {
  return `rgb(${colourAt(palette, share).join(" ")})`;
}

function channels(hex) {
  return [0, 2, 4].map((at) => Number.parseInt(hex.slice(at, at + 2), 16));
}
