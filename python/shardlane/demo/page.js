// The curve of latencies: the values under the pointer. Without this script the page lacks only that.
for (const chart of document.querySelectorAll("svg[data-curves]")) {
  const { left, right, top, bottom, low, high, curves } = JSON.parse(chart.dataset.curves);
  const cursor = chart.querySelector(".cursor");
  const outputs = chart.closest("figure").querySelectorAll("output");
  const shown = (us) => (us < 1000 ? `${us.toFixed(0)} µs` : `${(us / 1000).toFixed(2)} ms`);
  const look = (event) => {
    const box = chart.getBoundingClientRect();
    const width = chart.viewBox.baseVal.width;
    const x = Math.min(right, Math.max(left, ((event.clientX - box.left) / box.width) * width));
    const us = low * (high / low) ** ((x - left) / (right - left));
    cursor.setAttribute("x1", x);
    cursor.setAttribute("x2", x);
    cursor.style.opacity = 0.6;
    curves.forEach((curve, index) => {
      const within = curve.filter(([, most]) => most <= us);
      const share = within.length ? within[within.length - 1][0] : 0;
      outputs[index].textContent = `${share.toFixed(1)} % within ${shown(us)}`;
    });
  };
  chart.addEventListener("pointermove", look);
  chart.addEventListener("pointerdown", look);
  chart.addEventListener("pointerleave", () => {
    cursor.style.opacity = 0;
    outputs.forEach((output) => (output.textContent = ""));
  });
}
