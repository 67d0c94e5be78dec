// Square pictures beside each other, drawn pixel by pixel from arrays of 3 · side² numbers in [0, 1].
import { element } from "./controls.js";

/** A panel of pictures; it is moved and drawn as a plot is. */
export class Pictures {
  constructor({ alt, bind, side }) {
    this.side = side;
    this.canvases = Object.fromEntries(Object.keys(bind).map((name) => [name, element("canvas", { width: side, height: side })]));
    const named = ([name, canvas]) => element("div", {}, canvas, element("span", {}, name));
    this.element = element("div", { class: "pictures", role: "img", "aria-label": alt }, ...Object.entries(this.canvases).map(named));
  }

  draw(arrays) {
    for (const [name, { pixels }] of Object.entries(arrays)) {
      const context = this.canvases[name].getContext("2d");
      const image = context.createImageData(this.side, this.side); // which rounds, and cuts what is beyond
      const count = this.side ** 2;
      for (let i = 0; i < count; i++) {
        for (let c = 0; c < 3; c++) image.data[4 * i + c] = 255 * pixels[c * count + i];
        image.data[4 * i + 3] = 255;
      }
      context.putImageData(image, 0, 0);
    }
  }

  update(arrays) {
    this.draw(arrays);
  }

  /** There is nothing to catch up with. */
  settle() {}
}
