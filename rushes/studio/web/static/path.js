// A pad on which a finger or a mouse draws where a film's first subject goes; the field beside it holds the points.

const MOST = 12;

for (const pad of document.querySelectorAll("svg[data-path]")) {
  const field = document.getElementById(pad.dataset.path);
  const line = pad.querySelector("polyline");
  const head = pad.querySelector("circle");
  const [width, height] = [pad.viewBox.baseVal.width, pad.viewBox.baseVal.height];
  let drawn = null;

  const at = ({ clientX, clientY }) => {
    const box = pad.getBoundingClientRect();
    return [(clientX - box.left) / box.width, (clientY - box.top) / box.height].map((share) => Math.min(1, Math.max(0, share)));
  };

  // As many points as a film needs, at even distances of what was drawn.
  const thinned = (points) => {
    const last = Math.min(MOST, points.length) - 1;
    return last < 1 ? [] : Array.from({ length: last + 1 }, (_, i) => points[Math.round(i * (points.length - 1) / last)]);
  };

  const show = () => {
    const points = field.value.trim().split(/\s+/).map((point) => point.split(",").map(Number));
    const legal = points.length > 1 && points.flat().every(Number.isFinite);
    const placed = legal ? points.map(([x, y]) => [x * width, y * height]) : [];
    line.setAttribute("points", placed.map((point) => point.join(",")).join(" "));
    head.toggleAttribute("hidden", !legal);
    if (legal) head.setAttribute("cx", placed.at(-1)[0]), head.setAttribute("cy", placed.at(-1)[1]);
  };

  const keep = (points) => {
    field.value = points.map((point) => point.map((share) => share.toFixed(2)).join(",")).join(" ");
    show();
  };

  pad.addEventListener("pointerdown", (event) => {
    event.preventDefault();
    pad.setPointerCapture(event.pointerId);
    keep(drawn = [at(event)]);
  });
  pad.addEventListener("pointermove", (event) => {
    if (drawn) drawn.push(at(event)), keep(thinned(drawn));
  });
  for (const end of ["pointerup", "pointercancel"]) {
    pad.addEventListener(end, () => {
      if (drawn) field.dispatchEvent(new Event("change", { bubbles: true }));
      drawn = null;
    });
  }
  field.addEventListener("input", show);
  pad.removeAttribute("hidden");
  show();
}
