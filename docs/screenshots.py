"""Pictures for the README.

`python docs/screenshots.py docs/studies/2026-12-01-web/report.html` writes docs/images/report-light.png, report-dark.png and
report-phone.png: what a reader of that page sees first. `python docs/screenshots.py configs/quickstart.yaml work/quickstart`
writes terminal.png, what `assay run` says of a study that is done, and quality.png, the first figure of its page. Needs
playwright (the `test` extra) and a system Chromium.
"""

import io
import os
import shutil
import subprocess
import sys
from pathlib import Path

from playwright.sync_api import Browser, Page, sync_playwright
from rich.console import Console
from rich.terminal_theme import MONOKAI
from rich.text import Text

QUIET = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
         "--disable-component-update", "--disable-sync"]  # fmt: skip
SHOTS = {"light": (1280, 860, "light"), "dark": (1280, 860, "dark"), "phone": (390, 844, "light")}
COLUMNS = 108
TERMINAL = """\
<body style="margin: 0; background: {background}"><pre id="terminal" style="display: inline-block; margin: 0;
padding: 18px 22px; font: 14px/1.45 'DejaVu Sans Mono', monospace;
color: {foreground}; background: {background}">{code}</pre></body>"""


IMAGES = Path(__file__).parent / "images"


def main(*given: str) -> None:
    """The pictures of a page, or those of a study's terminal."""
    found = next((path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))), None)
    if found is None:
        raise SystemExit("needs a system Chromium (apt-get install chromium)")
    IMAGES.mkdir(exist_ok=True)
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=found, args=QUIET)
        if len(given) == 1:
            report(browser, Path(given[0]))
        else:
            tab = browser.new_page(viewport={"width": 1400, "height": 900})
            tab.set_content(terminal(*given))
            tab.locator("#terminal").screenshot(path=IMAGES / "terminal.png")
            quality(browser, Path(given[1]) / "report" / "index.html")
        browser.close()


def report(browser: Browser, page: Path) -> None:
    """The top of the page on a screen in light and dark, and on a phone."""
    for name, (width, height, scheme) in SHOTS.items():
        tab = opened(browser, page, width, height, scheme)
        tab.screenshot(path=IMAGES / f"report-{name}.png")


def quality(browser: Browser, page: Path) -> None:
    """The figure of the levels over their quality, with its answer."""
    tab = opened(browser, page, 1280, 900, "light")
    tab.locator("section#quality-section").screenshot(path=IMAGES / "quality.png")


def opened(browser: Browser, page: Path, width: int, height: int, scheme: str) -> Page:
    tab = browser.new_context(viewport={"width": width, "height": height}, color_scheme=scheme).new_page()  # type: ignore[arg-type]
    tab.goto(page.resolve().as_uri())
    tab.wait_for_function("document.documentElement.dataset.ready === 'yes'")
    return tab


def terminal(study: str, workdir: str) -> str:
    """What the command prints when all is there already, as a page in a terminal's colours."""
    command = [str(Path(sys.executable).with_name("assay")), "run", study, "--workdir", workdir]
    colours = {**os.environ, "FORCE_COLOR": "1", "COLUMNS": str(COLUMNS)}
    run = subprocess.run(command, env=colours, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=True)
    console = Console(record=True, width=COLUMNS, file=io.StringIO(), force_terminal=True)
    console.print(f"[bold green]$[/] assay run {study}\n", highlight=False)
    console.print(Text.from_ansi(run.stdout.replace(str(Path(workdir).resolve()), "work/quickstart")))
    return console.export_html(theme=MONOKAI, code_format=TERMINAL, inline_styles=True)


if __name__ == "__main__":
    if len(sys.argv) not in (2, 3):
        raise SystemExit(__doc__)
    main(*sys.argv[1:])
