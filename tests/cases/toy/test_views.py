"""What an explorer of the climb shows, against the model itself."""

import torch

from implicit_lib.cases.toy import Target, climb, evaluate, load


def test_the_climb_is_the_models() -> None:
    model, target = load("implicit", 20), Target(20)
    parts = climb(model.operator, target, constants={"K": torch.tensor([20.0])})
    q = parts.encode(torch.tensor(0.2))
    z = [parts.start]
    for _ in range(50):
        z.append(parts.step(z[-1], *q))
    seen = parts.view(z[-1], z[-2], *q)
    with torch.no_grad():
        iterates = model.trajectory(seen["x"][:, None], 50)
    assert torch.allclose(seen["y"], iterates[-1].flatten(), atol=1e-5)
    found = evaluate(model, target, iterations=50)
    assert abs(float(seen["maximum"]) - float(found.maximum[-1])) < 0.02
    assert abs(float(seen["rms"]) / float(found.rms[-1]) - 1) < 0.1
    assert abs(float(seen["lipschitz"]) / float(found.lipschitz[-1]) - 1) < 0.05
    assert torch.equal(seen["K"], torch.tensor([20.0]))


def test_the_probe() -> None:
    model = load("implicit", 10)
    parts = climb(model.operator, Target(10))
    q = parts.encode(torch.tensor(0.37))
    z = parts.step(parts.start, *q)
    seen = parts.view(z, parts.start, *q)
    probe = torch.full((121, 1), 0.37)
    with torch.no_grad():
        assert torch.allclose(seen["G(s, x0)"], model.operator(seen["s"][:, None], probe).flatten(), atol=1e-6)
    assert float(seen["x0"]) == float(probe[0]) and float(seen["y(x0) before"]) == 0
    assert float(seen["change at x0"]) == abs(float(seen["y(x0)"]))
    slope = (seen["G(s, x0)"][1:] - seen["G(s, x0)"][:-1]) / (seen["s"][1] - seen["s"][0])
    assert slope.min() - 0.05 <= float(seen["∂G/∂y at x0"]) <= slope.max() + 0.05


def test_the_climb_copies_the_operator() -> None:
    model = load("implicit", 5)
    parts = climb(model.operator, Target(5))
    before = parts.step(parts.start, *parts.encode(torch.tensor(0.0)))
    with torch.no_grad():
        for weight in model.parameters():
            weight.zero_()
    assert torch.equal(parts.step(parts.start, *parts.encode(torch.tensor(0.0))), before)
