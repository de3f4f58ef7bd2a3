"use strict";

// Charts: one JSON list, drawn in order into the element that each one names.
for (const chart of JSON.parse(document.getElementById("charts").textContent)) {
  Plotly.newPlot(chart.id, chart.data, chart.layout, {
    responsive: true,
    displaylogo: false,
    // without a pointer that hovers, the bar would always be there, on top of the legend
    displayModeBar: chart.bar && matchMedia("(hover: hover)").matches ? "hover" : false,
    modeBarButtonsToRemove: ["select2d", "lasso2d"],
  });
}

// Tables: a click on a heading sorts; the values are in data-value, what is missing goes last.
for (const table of document.querySelectorAll("table.sortable")) {
  const body = table.tBodies[0];
  const headings = [...table.tHead.rows[0].cells];
  headings.forEach((heading, column) => {
    heading.querySelector("button").addEventListener("click", () => {
      const text = heading.classList.contains("text");
      const before = heading.getAttribute("aria-sort");
      const up = before === "descending" || (before === null && text);
      headings.forEach((other) => other.removeAttribute("aria-sort"));
      heading.setAttribute("aria-sort", up ? "ascending" : "descending");
      const value = (row) => row.cells[column].dataset.value;
      const number = (text) => (text === "" ? NaN : Number(text));
      const rows = [...body.rows].sort((a, b) => {
        if (text) return value(a).localeCompare(value(b)) * (up ? 1 : -1);
        const [x, y] = [number(value(a)), number(value(b))];
        if (Number.isNaN(x) || Number.isNaN(y)) return Number.isNaN(x) - Number.isNaN(y);
        return (x - y) * (up ? 1 : -1);
      });
      body.append(...rows);
    });
  });
}
