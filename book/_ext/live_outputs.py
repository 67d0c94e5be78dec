"""Show explorers and verdicts on the built page, and collect the verdicts into the claims ledger.

A notebook's outputs carry MIME types of our own: an explorer (the name of a module that the kernel wrote for the
page), the widget of typed functions (of the module that lists its presets), and a check (its verdict and the claim it
carries). They become nodes of the document; the directives `{explorer} NAME` and `{claims-ledger}` show explorers and
checks on other pages, once every notebook has been read.
"""

from __future__ import annotations

import html
import os
import re
import shutil
from pathlib import Path
from typing import Any, ClassVar

from docutils import nodes
from myst_nb.core.render import MimeData, MimeRenderPlugin, NbElementRenderer, load_mime_renders
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.errors import ExtensionError
from sphinx.util.docutils import SphinxDirective
from sphinx.util.nodes import make_refnode

from implicit_lib.checks import CHECK_MIME
from implicit_lib.claims import CLAIMS
from implicit_lib.explore import LIVE, PAGE_FILES, PAGE_MIME
from implicit_lib.typed import TYPED_MIME


class explorer_figure(nodes.General, nodes.Element):
    """A `<rich-explorer>`; attributes: name, title, src (empty until resolved, where a directive made it)."""


class typed_function(nodes.General, nodes.Element):
    """A `<rich-typed>`; attributes: name, title, src."""


class verdict(nodes.General, nodes.Element):
    """One verdict line; attribute: record."""


class ledger(nodes.General, nodes.Element):
    """Where the claims ledger goes."""


class LiveOutput(MimeRenderPlugin):
    """Turns our MIME types into nodes."""

    mime_priority_overrides: ClassVar = [("html", mime, 1) for mime in (PAGE_MIME, TYPED_MIME, CHECK_MIME)]

    @staticmethod
    def handle_mime(renderer: NbElementRenderer, data: MimeData, inline: bool) -> list[nodes.Element] | None:
        if inline or data.mime_type not in (PAGE_MIME, TYPED_MIME, CHECK_MIME):
            return None
        content: dict[str, Any] = data.content  # type: ignore[assignment]
        if data.mime_type == PAGE_MIME:
            return [explorer_figure(**content)]
        if data.mime_type == TYPED_MIME:
            return [typed_function(**content)]
        slug = re.sub(r"\W+", "-", content["name"].lower()).strip("-")
        return [verdict(record=content, ids=[f"check-{slug}"])]


class ExplorerDirective(SphinxDirective):
    """`{explorer} NAME`: the explorer of that name, which some notebook displays."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        return [explorer_figure(name=self.arguments[0], title="", src="")]


class LedgerDirective(SphinxDirective):
    """`{claims-ledger}`: every claim of the paper, with the checks that carry it."""

    def run(self) -> list[nodes.Node]:
        return [ledger()]


def setup(app: Sphinx) -> dict[str, bool]:
    load_mime_renders().append(LiveOutput)
    app.add_node(explorer_figure, html=(visit_explorer, depart))
    app.add_node(typed_function, html=(visit_typed, depart))
    app.add_node(verdict, html=(visit_verdict, depart))
    app.add_directive("explorer", ExplorerDirective)
    app.add_directive("claims-ledger", LedgerDirective)
    app.add_css_file("../live/explorer.css")
    app.connect("builder-inited", prepare)
    app.connect("doctree-read", collect)
    app.connect("env-purge-doc", purge)
    app.connect("env-updated", pages_that_show_others)
    app.connect("doctree-resolved", resolve)
    return {"parallel_read_safe": False, "parallel_write_safe": True}


def prepare(app: Sphinx) -> None:
    """Serve the explorers' scripts, and tell the kernels where the explorers' files go."""
    shutil.copytree(LIVE, Path(app.outdir, "live"), dirs_exist_ok=True)
    os.environ[PAGE_FILES] = str(Path(app.outdir, "live", "explorers"))


def store(env: BuildEnvironment, name: str) -> dict[str, Any]:
    """A dictionary by document name that is kept between builds."""
    if not hasattr(env, name):
        setattr(env, name, {})
    return getattr(env, name)  # type: ignore[no-any-return]


def collect(app: Sphinx, document: nodes.document) -> None:
    docname = app.env.docname
    refuse_duplicates(app, document)
    store(app.env, "live_explorers")[docname] = {
        node["name"]: {"title": node["title"], "src": node["src"]}
        for node in document.findall(explorer_figure)
        if node["src"]
    }
    store(app.env, "live_checks")[docname] = [(node["record"], node["ids"][0]) for node in document.findall(verdict)]
    borrowed = any(not node["src"] for node in document.findall(explorer_figure)) or any(document.findall(ledger))
    store(app.env, "live_borrowers")[docname] = borrowed


def refuse_duplicates(app: Sphinx, document: nodes.document) -> None:
    """Two explorers of one name would overwrite each other's files; two checks, share an anchor."""
    elsewhere = [
        name for doc, figures in store(app.env, "live_explorers").items() if doc != app.env.docname for name in figures
    ]
    explorers = [node["name"] for node in document.findall(explorer_figure) if node["src"]]
    for kind, names in (
        ("explorers", elsewhere + explorers),
        ("checks", [node["ids"][0] for node in document.findall(verdict)]),
    ):
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ExtensionError(f"{app.env.docname}: two {kind} share a name: {', '.join(twice)}.")


def purge(app: Sphinx, env: BuildEnvironment, docname: str) -> None:
    for name in ("live_explorers", "live_checks", "live_borrowers"):
        store(env, name).pop(docname, None)


def pages_that_show_others(app: Sphinx, env: BuildEnvironment) -> list[str]:
    """Pages with a borrowed explorer or the ledger are written again whenever anything was read."""
    return [docname for docname, borrowed in store(env, "live_borrowers").items() if borrowed]


def resolve(app: Sphinx, document: nodes.document, docname: str) -> None:
    known = {name: figure for figures in store(app.env, "live_explorers").values() for name, figure in figures.items()}
    for node in document.findall(explorer_figure):
        if not node["src"]:
            if node["name"] not in known:
                raise ExtensionError(
                    f"{docname}: no notebook shows an explorer named {node['name']!r}; known: {sorted(known)}."
                )
            node.update_all_atts(known[node["name"]], replace=True)
    for node in list(document.findall(ledger)):
        node.replace_self(ledger_table(app, docname))


def ledger_table(app: Sphinx, docname: str) -> nodes.Element:
    """One row a claim: its statement, the paper's figure, what the book found and where, what would falsify it."""
    checks: dict[str, list[tuple[dict[str, Any], str, str]]] = {}
    for chapter, records in sorted(store(app.env, "live_checks").items()):
        for record, anchor in records:
            if record["claim"]:
                checks.setdefault(record["claim"], []).append((record, chapter, anchor))
    group = nodes.tgroup("", *(nodes.colspec(colwidth=w) for w in (28, 18, 32, 22)), cols=4)
    group += nodes.thead(
        "", row([text("Claim"), text("In the paper"), text("Checked here"), text("Would be refuted by")])
    )
    group += nodes.tbody("", *(claim_row(app, docname, name, checks.get(name, [])) for name in CLAIMS))
    return nodes.container("", nodes.table("", group, classes=["ledger"]), classes=["ledger-scroll"])


def claim_row(app: Sphinx, docname: str, name: str, found: list[tuple[dict[str, Any], str, str]]) -> nodes.row:
    statement = nodes.paragraph("", "", nodes.literal(text=name), nodes.Text(" " + CLAIMS[name].statement))
    ours: list[nodes.Element] = [text("Not yet checked.")]
    against: list[nodes.Element] = [text("–")]
    if found:
        ours, against = [], []
        for record, chapter, anchor in found:
            link = make_refnode(app.builder, docname, chapter, anchor, nodes.Text(record["name"]))
            ours.append(nodes.paragraph("", "", link, nodes.Text(f": {record['statement']}")))
            against.append(text(record["falsified_by"]))
    return row([statement, text(CLAIMS[name].paper), ours, against])


def text(content: str) -> nodes.paragraph:
    return nodes.paragraph(text=content)


def row(cells: list[nodes.Element | list[nodes.Element]]) -> nodes.row:
    return nodes.row("", *(nodes.entry("", *(cell if isinstance(cell, list) else [cell])) for cell in cells))


def visit_explorer(self: Any, node: explorer_figure) -> None:
    write_live(self, node, tag="rich-explorer", script="explorer.js", use="move it")


def visit_typed(self: Any, node: typed_function) -> None:
    write_live(self, node, tag="rich-typed", script="typed.js", use="type into it")


def write_live(self: Any, node: nodes.Element, *, tag: str, script: str, use: str) -> None:
    """The element that a script of the page turns into a figure; until then, and without scripts, its title."""
    root = "../" * self.builder.current_docname.count("/")
    attributes = f'name="{html.escape(node["name"])}" src="{root}live/explorers/{html.escape(node["src"])}"'
    self.body.append(
        f'<{tag} {attributes} class="{tag}"><p class="title">{html.escape(node["title"])}</p>'
        f"<noscript>This figure runs in your browser: allow JavaScript to {use}.</noscript></{tag}>"
        f'<script type="module" src="{root}live/{script}"></script>'
    )


def visit_verdict(self: Any, node: verdict) -> None:
    record = node["record"]
    self.body.append(
        f'<p class="verdict" id="{node["ids"][0]}"><strong>PASS</strong> {html.escape(record["name"])}: '
        f"{html.escape(record['statement'])}</p>"
    )


def depart(self: Any, node: nodes.Element) -> None:
    pass
