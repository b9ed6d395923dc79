// A small box beside the pointer: a caption and lines of name and value.

const DISTANCE = 16;

export class Tooltip {
  constructor(element) {
    this.element = element;
  }

  hide() {
    this.element.hidden = true;
  }

  /** `lines`: [name, value, class?]; `at`: {x, y} in the plot, which holds the box. */
  show(at, caption, lines) {
    const { element } = this;
    const table = document.createElement("table");
    table.createCaption().textContent = caption;
    for (const [name, value, kind] of lines) {
      const row = table.insertRow();
      const head = document.createElement("th");
      head.scope = "row";
      head.textContent = name;
      row.append(head);
      const cell = row.insertCell();
      cell.textContent = value;
      if (kind) cell.className = kind;
    }
    element.replaceChildren(table);
    element.hidden = false;
    this.place(at);
  }

  place({ x, y }) {
    const { element } = this;
    const plot = element.parentElement;
    const fits = x + DISTANCE + element.offsetWidth <= plot.clientWidth;
    const left = fits ? x + DISTANCE : Math.max(x - DISTANCE - element.offsetWidth, 0);
    const lowest = plot.clientHeight - element.offsetHeight;
    element.style.setProperty("--x", `${left}px`);
    element.style.setProperty("--y", `${Math.max(Math.min(y + DISTANCE, lowest), 0)}px`);
  }
}
