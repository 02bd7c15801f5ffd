"""The child process that draws (see `figures`): a line "ID SPECIFICATION" of standard input becomes ID.svg and ID.png.

It imports the renderer alone, so it starts in a moment. A name is printed once both of its files are there.
"""

import sys
from pathlib import Path

import vl_convert

if __name__ == "__main__":
    folder = Path(sys.argv[1])
    for line in sys.stdin.buffer:
        name, _, spec = line.decode().partition(" ")
        (folder / f"{name}.svg").write_text(vl_convert.vegalite_to_svg(spec), "utf-8")
        (folder / f"{name}.png").write_bytes(vl_convert.vegalite_to_png(spec, scale=2))
        sys.stdout.write(f"{name}\n")
        sys.stdout.flush()
