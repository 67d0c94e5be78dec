/* Small repairs of the theme, and the drawing of plain Plotly figures (their JSON is put there by book/_ext/vendored.py). */
"use strict";

(() => {
  /* These say one thing on screen and another to a screen reader, which speech control cannot follow: what is on screen
     names them. */
  document
    .querySelectorAll(".search-button-field, details > summary[aria-label]")
    .forEach((control) => control.removeAttribute("aria-label"));
  /* Here the label is right, and the icons' own titles are in its way. Font Awesome draws the icons when it comes to it. */
  document.querySelectorAll(".theme-switch-button").forEach((button) => {
    const untitle = () =>
      button.querySelectorAll(".theme-switch").forEach((icon) => {
        icon.setAttribute("aria-hidden", "true");
        ["title", "aria-labelledby"].forEach((name) => icon.removeAttribute(name));
        icon.querySelector("title")?.remove();
      });
    untitle();
    new MutationObserver(untitle).observe(button, { childList: true });
  });
  /* A list whose items are bibliography entries, a role that lists do not take. */
  document.querySelectorAll(".citation-list").forEach((list) => list.removeAttribute("role"));

  /* What scrolls sideways has to be reachable by keyboard. */
  document.querySelectorAll("div.math, .pst-scrollable-table-container, .ledger-scroll").forEach((box) => {
    if (box.scrollWidth > box.clientWidth) box.tabIndex = 0;
  });
})();

(() => {
  const plotly = new URL("../vendor/plotly/plotly-cartesian.min.js", document.currentScript.src);
  const boxes = document.querySelectorAll(".plain-figure");
  if (boxes.length === 0) return;

  function themed(layout) {
    const style = getComputedStyle(document.documentElement);
    const line = style.getPropertyValue("--pst-color-border").trim();
    const text = style.getPropertyValue("--pst-color-text-base").trim();
    const names = Object.keys(layout).filter((key) => /^[xy]axis\d*$/.test(key));
    const axes = [...new Set([...names, "xaxis", "yaxis"])].map((name) => [
      name,
      { ...layout[name], gridcolor: line, zerolinecolor: line, linecolor: line },
    ]);
    return {
      ...layout,
      ...Object.fromEntries(axes),
      font: { ...layout.font, color: text },
      paper_bgcolor: "transparent",
      plot_bgcolor: "transparent",
      autosize: true,
      width: undefined,
    };
  }

  function draw(box) {
    const { data, layout } = JSON.parse(box.querySelector("script").textContent);
    const target = box.appendChild(document.createElement("div"));
    const config = { responsive: true, displayModeBar: false, displaylogo: false, showSendToCloud: false };
    const render = () => window.Plotly.react(target, data, themed(layout), config);
    new MutationObserver(render).observe(document.documentElement, { attributeFilter: ["data-theme"] });
    render();
  }

  const script = document.createElement("script");
  script.src = plotly.href;
  script.onload = () => boxes.forEach(draw);
  document.head.append(script);
})();
