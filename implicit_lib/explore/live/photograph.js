// A photograph: picked from examples, or opened from a file of the reader's own, which no one is sent.
import { element, OWN } from "./controls.js";

const MOST_PIXELS = 50_000_000; // the limit of read_photograph in implicit_lib/cases/deblurring/_upload.py
const MOST_BYTES = 100_000_000;
const CHOOSE = "choose a PNG, JPEG, WebP or GIF file of at most 50 million pixels and 100 MB";
const KEPT = "The figure is still that of the picture before.";

/** The width and the height of an image file, which is not unpacked for it. */
async function sizeOf(file) {
  const image = new Image();
  image.src = URL.createObjectURL(file);
  try {
    await new Promise((resolve, reject) => Object.assign(image, { onload: resolve, onerror: reject }));
  } catch {
    throw new Error(`the file is no image, or of a format that this browser does not open; ${CHOOSE}`);
  } finally {
    URL.revokeObjectURL(image.src);
  }
  return { width: image.naturalWidth, height: image.naturalHeight };
}

/** The image of a file, turned upright as its camera says; or an error whose message is for the reader. */
async function imageOf(file) {
  if (!file.size) throw new Error(`the file is empty; ${CHOOSE}`);
  if (file.size > MOST_BYTES) throw new Error(`the file has ${Math.ceil(file.size / 1e6)} MB, which is too much; ${CHOOSE}`);
  const { width, height } = await sizeOf(file);
  if (width * height > MOST_PIXELS) throw new Error(`the image is ${width} × ${height} pixels, which is too large; ${CHOOSE}`);
  if (!width || !height) throw new Error(`the image is ${width} × ${height} pixels, which is nothing; ${CHOOSE}`);
  try {
    return await createImageBitmap(file, { imageOrientation: "from-image" });
  } catch {
    throw new Error(`the image is damaged or cut off, or this browser cannot unpack it; save it again, or ${CHOOSE}`);
  }
}

/** A part of an image in a white square, smoothed where it is made smaller. */
function squareOf(image, [left, top, edge], side) {
  const canvas = element("canvas", { width: side, height: side });
  const context = canvas.getContext("2d", { willReadFrequently: true }); // not by a GPU, which may round otherwise
  context.fillStyle = "white";
  context.fillRect(0, 0, side, side);
  context.imageSmoothingQuality = "high";
  context.drawImage(image, left, top, edge, edge, 0, 0, side, side);
  return canvas;
}

/** The largest square in the middle, scaled: all reds row by row, then all greens, then all blues, 8 bits each. */
function pixelsOf(image, side) {
  let edge = Math.min(image.width, image.height);
  let part = [Math.floor((image.width - edge) / 2), Math.floor((image.height - edge) / 2), edge];
  let square = image;
  do {
    // By halves: a browser may look at few pixels only of an image that it makes much smaller.
    edge = edge >= 2 * side ? Math.ceil(edge / 2) : side;
    square = squareOf(square, part, edge);
    part = [0, 0, edge];
  } while (edge !== side);
  const { data } = square.getContext("2d").getImageData(0, 0, side, side);
  return Uint8Array.from({ length: 3 * side ** 2 }, (_, i) => data[4 * (i % side ** 2) + Math.floor(i / side ** 2)]);
}

const encoded = (bytes) => btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(""));

/** Whether a value stands for a photograph of the reader's own. */
const isOwn = (value, side) => typeof value === "string" && value.length === 4 * side ** 2 && /^[A-Za-z0-9+/]*$/.test(value);

/** The control's rows, and how to read, set and watch it. It changes once a file is opened, not while it is. */
export function makePhotograph({ name, label, hint, value, parameters: { side, examples } }, prefix, onMove) {
  const id = `${prefix}-${name}`;
  let [own, opening, status] = [null, 0, ""];
  const select = element("select", { id });
  for (const each of Object.keys(examples)) select.append(element("option", { value: each }, each));
  select.value = value;
  const file = element("input", { id: `${id}-file`, type: "file", accept: "image/*", "aria-describedby": `${id}-hint ${id}-refusal` });
  const refusal = element("p", { class: "refusal", id: `${id}-refusal`, role: "status" });
  const isExample = (each) => Object.hasOwn(examples, each);

  /** How a file fares, or why the reading of a value was refused. */
  const tell = ({ refused }) => {
    const text = status || (refused ? `Refused: ${refused} ${KEPT}` : "");
    if (refusal.textContent !== text) refusal.textContent = text; // set anew, it would be spoken anew
  };
  const say = (text) => ((status = text), tell({}));
  const get = () => (select.value === OWN ? own : select.value);
  const set = (given) => {
    if (given === get()) return;
    opening += 1; // a file that is still being opened comes too late
    say("");
    if (!isExample(given)) {
      if (own === null) select.append(element("option", { value: OWN }, OWN));
      own = given;
    }
    select.value = isExample(given) ? given : OWN;
  };
  const open = async () => {
    const [chosen] = file.files;
    if (!chosen) return; // the reader has closed the dialogue
    const number = ++opening;
    say("Opening the picture …");
    try {
      const image = await imageOf(chosen);
      if (number !== opening) return;
      say("");
      set(encoded(pixelsOf(image, side)));
      image.close();
      onMove();
    } catch (error) {
      if (number === opening) say(`Refused: ${error.message}. ${KEPT}`);
    }
  };

  file.addEventListener("change", open);
  select.addEventListener("change", () => {
    opening += 1;
    say("");
    onMove();
  });
  const row = element(
    "div",
    { class: "photograph" },
    element("div", { class: "control" }, element("label", { for: id }, label), select),
    element("div", { class: "control" }, element("label", { for: file.id }, "or open your own"), file),
    element("p", { class: "hint", id: `${id}-hint` }, hint),
    refusal,
  );
  return { row, get, set, tell, takes: (given) => isExample(given) || isOwn(given, side) };
}

/** The picture that a value stands for, as systems read it: the twin of Photograph.reading in _photograph.py. */
export function read(value, { name, side, examples }) {
  const bytes = atob(Object.hasOwn(examples, value) ? examples[value] : value);
  return { arrays: { [name]: { shape: [3, side, side], values: Float64Array.from(bytes, (byte) => byte.charCodeAt(0) / 255) } } };
}
