"""Join static/css into static/css/agora.css, the one stylesheet that pages link outside DEBUG.

There is no transformation: the files work as they are and DEBUG links them one by one.  Forty small
requests are slow on HTTP/1.1 and @import is slower still, so the joined copy is committed and tested.

``python tools/css.py``          writes it
``python tools/css.py --check``  exits 1 when it is out of date
"""

from __future__ import annotations

import sys
from pathlib import Path

CSS = Path(__file__).resolve().parent.parent / "static" / "css"
FIRST = ["layers.css", "fonts.css", "tokens.css", "base.css", "layout.css"]
BUNDLE = "agora.css"


def sources() -> list[str]:
    """Return every source file relative to static/css, in link order."""
    later = [f"components/{path.name}" for path in sorted((CSS / "components").glob("*.css"))]
    later += [f"pages/{path.name}" for path in sorted((CSS / "pages").glob("*.css"))]
    return FIRST + later


def joined() -> str:
    """Return the text of the joined stylesheet."""
    parts = [f"/* {name} */\n{(CSS / name).read_text().strip()}\n" for name in sources()]
    return "/* Made by tools/css.py from the files beside it; edit those. */\n" + "\n".join(parts)


def main() -> int:
    """Write or check; 0 when the joined file is current."""
    target = CSS / BUNDLE
    if "--check" in sys.argv:
        return 0 if target.is_file() and target.read_text() == joined() else 1
    target.write_text(joined())
    return 0


if __name__ == "__main__":
    sys.exit(main())
