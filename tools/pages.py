"""What the keepers of generated pages share."""

import sys


def finish(page, new, faults, check, command):
    """Writes the page or, with `check`, fails where it is out of date; prints faults. Returns the exit status."""
    faults = list(faults)
    if check and page.read_text() != new:
        faults.append(f"{page.name} is out of date: run {command}")
    if not check:
        page.write_text(new)
    print("\n".join(faults), file=sys.stderr, end="\n" if faults else "")
    return 1 if faults else 0
