"""Pictures of a written report for the README: `python docs/screenshots.py work/quickstart/report`.

Writes docs/images/report-light.png, report-dark.png and report-phone.png. Needs playwright (the `test` extra) and a
system Chromium.
"""

import shutil
import sys
from pathlib import Path

from playwright.sync_api import sync_playwright

QUIET = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
         "--disable-component-update", "--disable-sync"]  # fmt: skip
SHOTS = {"light": (1280, 860, "light"), "dark": (1280, 860, "dark"), "phone": (390, 844, "light")}


def main(report: Path) -> None:
    """Open the report at three sizes and save what a reader sees first."""
    found = next((path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))), None)
    if found is None:
        raise SystemExit("needs a system Chromium (apt-get install chromium)")
    images = Path(__file__).parent / "images"
    images.mkdir(exist_ok=True)
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=found, args=QUIET)
        for name, (width, height, scheme) in SHOTS.items():
            tab = browser.new_context(viewport={"width": width, "height": height}, color_scheme=scheme).new_page()  # type: ignore[arg-type]
            tab.goto((report / "index.html").resolve().as_uri())
            tab.wait_for_function("document.documentElement.dataset.ready === 'yes'")
            tab.screenshot(path=images / f"report-{name}.png")
        browser.close()


if __name__ == "__main__":
    if len(sys.argv) != 2:
        raise SystemExit(__doc__)
    main(Path(sys.argv[1]))
