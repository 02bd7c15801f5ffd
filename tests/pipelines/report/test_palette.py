"""The palette's two claims: text in a level's colour is legible, and levels are told apart whatever eyes the reader has."""

from itertools import combinations

import numpy as np
import pytest

from pipelines.report import palette

# Machado, Oliveira and Fernandes 2009, severity 1.0, on linear RGB.
SEEN_BY = {
    "everyone": np.eye(3),
    "protanopia": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deuteranopia": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    "tritanopia": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
}
TO_XYZ = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])


def linear(colour: str) -> np.ndarray:
    c = np.array([int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)])
    return np.where(c <= 0.04045, c / 12.92, ((c + 0.055) / 1.055) ** 2.4)


def lab(rgb: np.ndarray) -> np.ndarray:
    x, y, z = np.cbrt(np.clip(TO_XYZ @ rgb, 1e-4, None) / [0.9505, 1.0, 1.089])
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


@pytest.mark.parametrize("colours", [palette.LIGHT, palette.DARK], ids=["light", "dark"])
def test_text_in_any_colour_has_enough_contrast(colours: dict[str, str]):
    for ground in ("--page", "--panel"):
        for name in [n for n in colours if n.startswith("--level") or n in {"--ink", "--soft", "--accent", "--good", "--warn"}]:
            high, low = sorted((float(TO_XYZ[1] @ linear(colours[n])) for n in (name, ground)), reverse=True)
            assert (high + 0.05) / (low + 0.05) >= 4.5, (name, ground)


@pytest.mark.parametrize("eyes", SEEN_BY)
@pytest.mark.parametrize("colours", [palette.LIGHT, palette.DARK], ids=["light", "dark"])
def test_the_first_four_levels_are_told_apart(colours: dict[str, str], eyes: str):
    seen = [lab(np.clip(np.array(SEEN_BY[eyes]) @ linear(colours[f"--level-{i}"]), 0, 1)) for i in range(4)]
    distances = {(i, j): float(np.linalg.norm(seen[i] - seen[j])) for i, j in combinations(range(4), 2)}
    assert min(distances.values()) > 18, distances


@pytest.mark.parametrize("colours", [palette.LIGHT, palette.DARK], ids=["light", "dark"])
def test_a_dozen_levels_have_a_dozen_colours(colours: dict[str, str]):
    """The ninth level of the first real study was as grey as its baseline."""
    places = [palette.level_colour(i).removeprefix("var(").removesuffix(")") for i in range(12)]
    seen = [lab(linear(colours[place])) for place in places]
    distances = {(i, j): float(np.linalg.norm(seen[i] - seen[j])) for i, j in combinations(range(12), 2)}
    assert min(distances.values()) > 15, min(distances, key=lambda pair: distances[pair])


def test_a_file_has_no_unresolved_colour():
    text = " ".join(f"var({name})" for name in palette.LIGHT)
    assert palette.resolved(text) == " ".join(palette.LIGHT.values())
