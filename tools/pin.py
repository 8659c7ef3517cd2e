"""Write the SHA-256 of the pinned K3s release into versions.py, from the release's own checksum file."""

import argparse
import re
import sys
import urllib.error
import urllib.request
from pathlib import Path
from urllib.parse import quote

from ib_constructs.cluster.k3s import RELEASES
from ib_constructs.versions import K3S_VERSION

VERSIONS = Path(__file__).parent.parent / "constructs" / "ib_constructs" / "versions.py"


def main() -> None:
    """Rewrite the one line of versions.py; exit with 1 where the release does not answer or names no checksum."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--releases", default=RELEASES, help="base URL of the releases (default: %(default)s)")
    parser.add_argument("--versions", type=Path, default=VERSIONS, help="file to write (default: %(default)s)")
    options = parser.parse_args()
    url = f"{options.releases}/{quote(K3S_VERSION)}/sha256sum-amd64.txt"
    try:
        with urllib.request.urlopen(url, timeout=30) as answer:
            text = answer.read().decode()
    except urllib.error.URLError as error:
        sys.exit(f"{url} cannot be read: {error}")
    found = re.search(r"^([0-9a-f]{64})\s+k3s$", text, re.MULTILINE)
    if not found:
        sys.exit(f"{url} names no checksum of k3s")
    line = f'K3S_SHA256: str | None = "{found[1]}"'
    source = options.versions.read_text()
    options.versions.write_text(re.sub(r"^K3S_SHA256: .*$", line, source, count=1, flags=re.MULTILINE))
    print(f"{K3S_VERSION}: {found[1]}")


if __name__ == "__main__":
    main()
