"""A panel of pictures: what it refuses, and what the front ends are told."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from implicit_lib.explore import Explorer, Iterations, Now, Pictures, TorchSystem

SIDE = 4


class Look(nn.Module):
    def forward(self, y: Tensor, previous: Tensor, *q: Tensor) -> dict[str, Tensor]:
        return {"pixels": y.flatten()}


class Nothing(nn.Module):
    def forward(self) -> tuple[Tensor, ...]:
        return (torch.zeros(()),)


class Brighter(nn.Module):
    def forward(self, y: Tensor, q: Tensor) -> Tensor:
        return y + (1 - y) / 3 + q


def brightening(**changes: Any) -> Explorer:
    system = TorchSystem(encode=Nothing(), step=Brighter(), view=Look(), start=torch.zeros(1, 3, SIDE, SIDE))
    panel = {"title": "P", "show": {"now": Now("pixels")}, "side": SIDE, "alt": "A grey square."} | changes
    return Explorer(
        name="brightening",
        title="Brightening",
        system=system,
        controls=[Iterations(maximum=5, value=2)],
        panels=[Pictures(**panel)],
    )


def test_the_pixels_are_the_views(capsys: pytest.CaptureFixture[str]) -> None:
    explorer = brightening()
    found = explorer.arrays(t=2)["P"]["now"]["pixels"]
    np.testing.assert_allclose(found, np.full(3 * SIDE**2, 1 - (2 / 3) ** 2), rtol=1e-6)
    explorer.drive()
    assert "PASS" in capsys.readouterr().out
    assert np.frombuffer(explorer.widget.frame["arrays"]["P"]["now"]["pixels"]).shape == (3 * SIDE**2,)


def test_the_page_is_told_the_side_and_what_an_eye_sees(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IMPLICIT_LIB_PAGE_FILES", str(tmp_path))
    brightening()
    written = (tmp_path / "brightening.js").read_text()
    assert '"side": 4' in written and '"figure"' not in written and "0.556, 0.556" in written


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"alt": " "}, "needs an alt text"),
        ({"show": {}}, "needs a picture"),
        ({"side": 0}, "a side of at least 1"),
        ({"show": {"now": Now("nothing")}}, "draws .'nothing'."),
    ],
)
def test_what_does_not_fit_is_refused(changes: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        brightening(**changes)
