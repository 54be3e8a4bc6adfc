for (const th of document.querySelectorAll("th")) th.onclick = () => {
  const table = th.closest("table"), body = table.tBodies[0], column = th.cellIndex;
  const up = th.getAttribute("aria-sort") !== "ascending";
  for (const other of table.querySelectorAll("th")) other.removeAttribute("aria-sort");
  th.setAttribute("aria-sort", up ? "ascending" : "descending");
  const order = (a, b) => a.localeCompare(b, undefined, {numeric: true});
  const value = row => row.cells[column].textContent;
  const number = text => text === "–" ? -Infinity : Number(text.replaceAll(",", ""));
  [...body.rows].sort((a, b) => {
    const whole = a.classList.contains("whole") - b.classList.contains("whole");
    if (whole) return whole;
    const [x, y] = [value(a), value(b)], [m, n] = [number(x), number(y)];
    return (isNaN(m) || isNaN(n) ? order(x, y) : m - n) * (up ? 1 : -1);
  }).forEach(row => body.append(row));
};
