"""Serve the book's third-party JavaScript from its own host, and draw plain Plotly figures with it.

The files come from node_modules (pinned and checked by package-lock.json) and stand under `vendor/` in the built site,
each library beside its licence. Nothing on a page is taken from elsewhere.
"""

from __future__ import annotations

import html
import json
import shutil
from pathlib import Path
from typing import Any, ClassVar

from docutils import nodes
from myst_nb.core.render import MimeData, MimeRenderPlugin, NbElementRenderer, load_mime_renders
from sphinx.application import Sphinx
from sphinx.config import Config
from sphinx.errors import ExtensionError

ROOT = Path(__file__).resolve().parents[2]
MODULES = ROOT / "node_modules"
PLOTLY_MIME = "application/vnd.plotly.v1+json"

# Where each file or folder of node_modules stands under vendor/.
FILES = {
    "mathjax/es5/tex-svg.js": "mathjax/tex-svg.js",
    # MathJax loads these by itself: rarer TeX packages as a page uses them, speech when a reader asks for it.
    "mathjax/es5/input/tex/extensions": "mathjax/input/tex/extensions",
    "mathjax/es5/a11y": "mathjax/a11y",
    "mathjax/es5/sre": "mathjax/sre",
    "mathjax/LICENSE": "mathjax/LICENSE",
    # Reads what a visitor types into "Type your own F"; loaded when a text field gets the focus.
    "mathjs/lib/browser/math.js": "mathjs/math.js",
    "mathjs/lib/browser/math.js.LICENSE.txt": "mathjs/math.js.LICENSE.txt",
    "mathjs/LICENSE": "mathjs/LICENSE",
    "mathjs/NOTICE": "mathjs/NOTICE",
    # Solves the linear programs that a visitor types; loaded when the first one is applied.
    "highs/build/highs.mjs": "highs/highs.mjs",
    "highs/build/highs.wasm": "highs/highs.wasm",
    "highs/LICENSE": "highs/LICENSE",
    "plotly.js-cartesian-dist-min/plotly-cartesian.min.js": "plotly/plotly-cartesian.min.js",
    "plotly.js-cartesian-dist-min/LICENSE": "plotly/LICENSE",
    "onnxruntime-web/dist/ort.wasm.min.mjs": "onnxruntime/ort.wasm.min.mjs",
    "onnxruntime-web/dist/ort-wasm-simd-threaded.mjs": "onnxruntime/ort-wasm-simd-threaded.mjs",
    "onnxruntime-web/dist/ort-wasm-simd-threaded.wasm": "onnxruntime/ort-wasm-simd-threaded.wasm",
}


def setup(app: Sphinx) -> dict[str, bool]:
    # MyST-NB finds MIME renderers by the entry points of installed packages. An extension of one book is none, so it
    # joins the (cached) list itself.
    load_mime_renders().append(PlainFigure)
    app.connect("config-inited", use_vendored)
    app.connect("builder-inited", copy)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def use_vendored(app: Sphinx, config: Config) -> None:
    # Sphinx puts _static/ before every script path; the file stands one level up.
    config.mathjax_path = "../vendor/mathjax/tex-svg.js"
    # MyST-NB would load require.js and the widget manager from a CDN. Explorers need neither on a page.
    config.nb_ipywidgets_js = {}


def copy(app: Sphinx) -> None:
    vendor = Path(app.outdir, "vendor")
    for source, target in FILES.items():
        place(MODULES / source, vendor / target)
    # The npm package leaves its licence out.
    place(ROOT / "book" / "licenses" / "onnxruntime.txt", vendor / "onnxruntime" / "LICENSE")


def place(source: Path, target: Path) -> None:
    if not source.exists():
        raise ExtensionError(f"{source} is missing: run `python3 -m tools.environment`, which installs it")
    target.parent.mkdir(parents=True, exist_ok=True)
    if source.is_dir():
        shutil.copytree(source, target, dirs_exist_ok=True)
    else:
        shutil.copyfile(source, target)


class PlainFigure(MimeRenderPlugin):
    """A Plotly figure as its own JSON in the page; `figures.js` draws it when the page is there."""

    mime_priority_overrides: ClassVar = [("html", PLOTLY_MIME, 1)]

    @staticmethod
    def handle_mime(renderer: NbElementRenderer, data: MimeData, inline: bool) -> list[nodes.Element] | None:
        if inline or data.mime_type != PLOTLY_MIME:
            return None
        return [nodes.raw(text=markup(data.content), format="html")]


def markup(figure: dict[str, Any]) -> str:
    """The figure's HTML. To a screen reader it is its title and what it shows, its layout's meta.alt.

    Raises:
        ExtensionError: it lacks one of them.
    """
    layout = figure.get("layout", {})
    title, alt = layout.get("title", {}).get("text", ""), layout.get("meta", {}).get("alt", "")
    if not title or not alt:
        raise ExtensionError(f"the figure {title!r} needs a title and a layout with meta={{'alt': what it shows}}")
    description = json.dumps({"data": figure["data"], "layout": layout}).replace("</", "<\\/")
    return (
        f'<div class="plain-figure" role="img" aria-label="{html.escape(f"{title}. {alt}")}">'
        f'<script type="application/json">{description}</script></div>'
    )
