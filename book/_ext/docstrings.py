"""Read the library's docstrings for the API page.

They are plain text with code in single backticks, examples, and Google sections (Args, Returns, Raises). So |x|, y* and
the like are no markup, and sections become fields. Sphinx's own napoleon extension would also take the first words of a
property's docstring, up to a colon, for its type; the library writes types as annotations.
"""

from __future__ import annotations

import re
from typing import Any

from sphinx.application import Sphinx
from sphinx.ext.napoleon import Config
from sphinx.ext.napoleon.docstring import GoogleDocstring

SETTINGS = Config(napoleon_use_rtype=False)


def setup(app: Sphinx) -> dict[str, bool]:
    app.setup_extension("sphinx.ext.autodoc")
    app.connect("autodoc-process-docstring", translate)
    app.connect("autodoc-process-signature", tidy)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def translate(app: Sphinx, what: str, name: str, obj: object, options: Any, lines: list[str]) -> None:
    lines[:] = escape("\n".join(lines)).split("\n")
    if what not in ("attribute", "data", "property"):
        lines[:] = GoogleDocstring(lines, SETTINGS, None, what, name, obj, options).lines()


def tidy(
    app: Sphinx, what: str, name: str, obj: object, options: Any, signature: str | None, returns: str | None
) -> tuple[str | None, str | None]:
    """No arguments where a protocol takes none, and a default that Sphinx can parse where a dataclass makes one."""
    if getattr(obj, "_is_protocol", False):
        return "", None
    return signature and signature.replace("<factory>", "..."), returns


def escape(text: str) -> str:
    """The text with the characters that start markup escaped, outside of code and examples."""
    paragraphs = text.split("\n\n")
    return "\n\n".join(part if part.lstrip().startswith(">>>") else escape_prose(part) for part in paragraphs)


def escape_prose(paragraph: str) -> str:
    parts = paragraph.split("`")
    parts[::2] = [re.sub(r"[|*]", r"\\\g<0>", part) for part in parts[::2]]
    return "`".join(parts)
