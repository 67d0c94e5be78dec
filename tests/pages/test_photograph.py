"""A photograph opened in a page: as the kernel reads the file, or refused in a line."""

from __future__ import annotations

import io
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Browser, Locator, expect

from implicit_lib.cases.deblurring import PhotographError, read_photograph
from implicit_lib.explore import LIVE, Explorer, Photograph
from tests.conftest import Visit, blank, visit
from tests.explore.pictured import SIDE, explorer
from tests.pages.one_figure import built, served
from tests.pages.test_pages import AXE
from tests.pages.test_parity import distances, moved, settings

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def pictured(tmp_path_factory: pytest.TempPathFactory) -> tuple[Explorer, Path]:
    """The explorer, and a site of it alone: as the book serves it, without the book."""
    site = tmp_path_factory.mktemp("site")
    return built(explorer, site, title="A photograph", vendors=("onnxruntime", "plotly")), site


@pytest.fixture(scope="module")
def engine(pictured: tuple[Explorer, Path]) -> Explorer:
    return pictured[0]


@pytest.fixture(scope="module")
def address(pictured: tuple[Explorer, Path]) -> Iterator[str]:
    yield from served(pictured[1])


@pytest.fixture(scope="module")
def visited(browser: Browser, address: str) -> Iterator[Visit]:
    with visit(browser, f"{address}/light.html", width=390) as visited:
        yield visited
        assert visited.errors == []
        assert visited.external == []


@pytest.fixture(scope="module")
def figure(visited: Visit) -> Locator:
    return visited.page.locator("rich-explorer")


def encoded(image: Image.Image, kind: str, **options: Any) -> bytes:
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def scene(width: int = 300, height: int = 200) -> Image.Image:
    """Soft colours, other ones in every place, left and right of the square in the middle too."""
    colours = np.random.default_rng(1).integers(0, 256, (4, 6, 3), dtype=np.uint8)
    return Image.fromarray(colours).resize((width, height), Image.Resampling.BICUBIC)


def turned(orientation: int) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = orientation
    return encoded(scene(), "JPEG", quality=95, exif=exif)


def see_through() -> bytes:
    array = np.array(scene().convert("RGBA"))
    array[:50, :, 3], array[50:100, :, 3] = 0, 128
    return encoded(Image.fromarray(array), "PNG")


def animated(kind: str) -> bytes:
    return encoded(scene().quantize(64), kind, save_all=True, append_images=[Image.new("RGB", (300, 200), "lime")])


@cache
def files() -> dict[str, bytes]:
    grey = np.array(scene().convert("L"))
    return {
        "RGBA.png": see_through(),
        "16-bit.png": encoded(Image.fromarray(grey.astype(np.uint16) * 257), "PNG"),
        "palette.png": encoded(scene().quantize(64), "PNG"),
        "grey.jpg": encoded(Image.fromarray(grey), "JPEG", quality=95),
        **{f"orientation {i}.jpg": turned(i) for i in range(2, 9)},
        "one.png": encoded(Image.new("RGB", (1, 1), (200, 100, 50)), "PNG"),
        "narrow.png": encoded(scene(3, 40), "PNG"),
        "large.jpg": encoded(scene(6000, 4000), "JPEG"),
        "animated.gif": animated("GIF"),
        "photograph.webp": encoded(scene(), "WEBP", quality=95),
        "named wrongly.png": encoded(scene(), "BMP"),
    }


def one_row(width: int, height: int) -> bytes:
    """A PNG of few bytes, of black and white."""
    return encoded(Image.new("1", (width, height)), "PNG")


REFUSED = {
    "empty.png": (b"", "the file is empty"),
    "text.png": (b"no picture at all\n", "no image, or of a format that this browser does not open"),
    "drawing.svg": (b"<svg xmlns='http://www.w3.org/2000/svg'><rect/></svg>", "no image, or of a format"),
    "cut.jpg": (encoded(scene(), "JPEG")[:-2000], "damaged or cut off"),
    "cut.png": (encoded(scene(), "PNG")[:-2000], "damaged or cut off"),
    "head.png": (encoded(scene(), "PNG")[:40], "no image"),
    "cut.webp": (encoded(scene(), "WEBP")[:-500], "damaged or cut off"),
    "vast.png": (one_row(9000, 9000), "the image is 9000 × 9000 pixels, which is too large"),
}


def put(figure: Locator, name: str, data: bytes) -> None:
    """Choose a file, and wait until it is opened or refused."""
    chosen = {"name": name, "mimeType": "application/octet-stream", "buffer": data}
    figure.get_by_label("Photograph", exact=True).select_option("ramp")
    figure.get_by_label("or open your own").set_input_files(chosen)  # type: ignore[arg-type]
    figure.page.wait_for_function(
        """(explorer) => explorer.querySelector("select").value === "your own" ||
            explorer.querySelector(".refusal").textContent.startsWith("Refused")""",
        arg=figure.element_handle(),
    )


def shown(figure: Locator) -> np.ndarray[Any, Any]:
    drawn, _ = moved(figure, {})
    return np.array(drawn["Pictures"]["given"]["pixels"])


def far_off(figure: Locator, chosen: dict[str, bytes]) -> list[str]:
    """The files whose pictures differ from those that Python makes of them by more than filters do."""
    found = []
    for name, data in chosen.items():
        put(figure, name, data)
        apart = shown(figure) - read_photograph(data, SIDE).numpy().ravel()
        if refused := figure.locator(".refusal").text_content():
            found.append(refused)
        elif np.abs(apart).mean() > 0.02 or abs(apart.mean()) > 0.008 or np.abs(apart).max() > 0.12:
            found.append(f"{name}: {np.abs(apart).mean():.4f}, {apart.mean():.4f}, {np.abs(apart).max():.4f}")
    return found


def test_files_are_opened_as_python_opens_them(figure: Locator) -> None:
    assert far_off(figure, files()) == []


def test_a_picture_of_the_right_size_arrives_exactly(figure: Locator, engine: Explorer) -> None:
    """Also when it is set from a program, by the value that Python makes of the same file."""
    data = encoded(scene(SIDE, SIDE), "PNG")
    photograph = engine.controls["picture"]
    assert isinstance(photograph, Photograph)
    value = photograph.own(read_photograph(data, SIDE))
    put(figure, "exact.png", data)
    assert figure.evaluate("(element) => element.figure.settings.picture") == value
    for change in ({"picture": "noise"}, {"picture": value, "t": 5, "gain": 0.75}):
        drawn, _ = moved(figure, change)
        assert max(distances(engine.arrays(**{"t": 2, "gain": 1.0} | change), drawn)) <= 1e-4
    moved(figure, {"t": 2, "gain": 1.0})


def test_the_page_draws_what_the_kernel_computes(figure: Locator, engine: Explorer) -> None:
    for controls in settings(engine):
        drawn, _ = moved(figure, controls)
        assert max(distances(engine.arrays(**controls), drawn)) <= 1e-4, controls


@pytest.mark.parametrize("name", REFUSED)
def test_a_refused_file_leaves_the_figure(figure: Locator, name: str) -> None:
    data, reason = REFUSED[name]
    with pytest.raises(PhotographError):
        read_photograph(data, SIDE)
    before, _ = moved(figure, {"picture": "ramp", "t": 2})
    put(figure, name, data)
    refusal = figure.locator(".refusal")
    expect(refusal).to_contain_text("Refused: the ")
    expect(refusal).to_contain_text(reason)
    expect(refusal).to_have_attribute("role", "status")
    assert "\n" not in refusal.inner_text()
    after, _ = moved(figure, {"t": 2})
    assert after == before
    assert reason in refusal.inner_text()  # until the reader chooses something else
    figure.get_by_label("Photograph", exact=True).select_option("noise")
    expect(refusal).to_have_text("")


def test_a_file_of_too_many_bytes_is_refused_unread(figure: Locator, tmp_path: Path) -> None:
    path = tmp_path / "vast.png"
    with path.open("wb") as file:
        file.truncate(100_000_001)
    figure.get_by_label("or open your own").set_input_files(path)
    expect(figure.locator(".refusal")).to_contain_text("the file has 101 MB, which is too much")


@pytest.mark.parametrize("value", ["", "cat", "A" * (4 * SIDE**2 - 1), "A" * (4 * SIDE**2 - 1) + "=", None, 3])
def test_no_other_value_is_taken(figure: Locator, value: Any) -> None:
    with pytest.raises(Exception, match="does not take"):
        moved(figure, {"picture": value})


def test_is_used_by_keyboard(visited: Visit, figure: Locator) -> None:
    """The dialogue opens by the space bar; what was opened stays among the examples."""
    put(figure, "one.png", files()["one.png"])
    select, file = figure.get_by_label("Photograph", exact=True), figure.get_by_label("or open your own")
    assert select.locator("option").all_text_contents() == ["ramp", "noise", "your own"]
    select.focus()
    select.press("ArrowUp")
    expect(select).to_have_value("noise")
    noisy = shown(figure)
    select.press("ArrowDown")
    expect(select).to_have_value("your own")
    np.testing.assert_allclose(shown(figure).reshape(3, -1).T, np.full((SIDE**2, 3), [200, 100, 50]) / 255, atol=1e-6)
    assert not np.array_equal(noisy, shown(figure))
    select.press("Tab")
    expect(file).to_be_focused()
    with visited.page.expect_file_chooser() as opened:
        file.press("Space")
    opened.value.set_files([{"name": "grey.png", "mimeType": "image/png", "buffer": one_row(8, 8)}])
    expect(figure.locator(".refusal")).to_have_text("")
    figure.page.wait_for_function("(e) => e.last.arrays.Pictures.given.pixels[0] === 0", arg=handle(figure))
    assert file.evaluate("(input) => input.getBoundingClientRect().height") >= 44
    described = file.get_attribute("aria-describedby")
    assert described is not None
    hint = figure.locator(f"#{described.split()[0]}")
    expect(hint).to_contain_text("It stays on this machine")


def handle(figure: Locator) -> Any:
    return figure.evaluate_handle("(element) => element.figure")


def test_a_later_choice_overtakes_a_slow_file(figure: Locator) -> None:
    moved(figure, {"picture": "ramp"})
    buffer = files()["large.jpg"]
    figure.get_by_label("or open your own").set_input_files(
        {"name": "large.jpg", "mimeType": "image/jpeg", "buffer": buffer}
    )
    figure.get_by_label("Photograph", exact=True).select_option("noise")
    figure.page.wait_for_timeout(1500)
    expect(figure.get_by_label("Photograph", exact=True)).to_have_value("noise")
    expect(figure.locator(".refusal")).to_have_text("")


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_is_accessible_in_every_state(browser: Browser, address: str, theme: str) -> None:
    with visit(browser, f"{address}/{theme}.html", width=390) as visited:
        visited.page.add_script_tag(path=AXE)
        figure = visited.page.locator("rich-explorer")
        for name, data in {"first.png": see_through(), "empty.png": b"", "a name " * 12 + ".jpg": turned(6)}.items():
            put(figure, name, data)
            violations = visited.page.evaluate("async () => (await axe.run('rich-explorer')).violations")
            assert [(violation["id"], [node["html"] for node in violation["nodes"]]) for violation in violations] == []
            assert visited.page.evaluate("() => document.documentElement.scrollWidth <= window.innerWidth")


@pytest.mark.parametrize(
    ("name", "broken"),
    [
        ("orientation 6.jpg", ('"from-image"', '"flipY"')),
        ("RGBA.png", ('"white"', '"black"')),
        ("narrow.png", ("data[4 * (i % side ** 2)", "data[4 * (side ** 2 - 1 - (i % side ** 2))")),
        ("grey.jpg", ("byte.charCodeAt(0) / 255", "byte.charCodeAt(0) / 230")),
    ],
)
def test_a_broken_script_is_noticed(browser: Browser, address: str, name: str, broken: tuple[str, str]) -> None:
    source = (LIVE / "photograph.js").read_text(encoding="utf-8")
    assert broken[0] in source
    with blank(browser) as visited:
        body = source.replace(*broken)
        visited.page.route("**/photograph.js", lambda route: route.fulfill(body=body, content_type="text/javascript"))
        visited.page.goto(f"{address}/light.html")
        assert far_off(visited.page.locator("rich-explorer"), {name: files()[name]})
