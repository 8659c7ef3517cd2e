"""What the lab's mirror serves: the stand-in K3s in several versions, and a Debian repository of packages without content."""

from __future__ import annotations

import hashlib
import io
import stat
import subprocess
import zipapp
from pathlib import Path

from ib_constructs.versions import K3S_VERSION

SOURCE = Path(__file__).parent / "k3s"
NEXT_PATCH, NEXT_MINOR, SKIPPED_MINOR = "v1.36.9+k3s1", "v1.37.1+k3s1", "v1.38.0+k3s1"
IMAGES = b"an archive of images"
UNIT = "[Service]\nType=oneshot\nRemainAfterExit=yes\nExecStart=/bin/true\n[Install]\nWantedBy=multi-user.target\n"
PACKAGES = {
    "chrony": {"usr/lib/systemd/system/chrony.service": UNIT},
    "unattended-upgrades": {},
    "nfs-common": {"usr/lib/systemd/system/rpcbind.service": UNIT},
    "open-iscsi": {},
    "systemd-timesyncd": {"usr/lib/systemd/system/systemd-timesyncd.service": UNIT},
}


def make_artefacts(folder: Path) -> dict[str, str]:
    """Fill *folder*; returns the SHA-256 of each version's `k3s`."""
    sums: dict[str, str] = {}
    for version in (K3S_VERSION, NEXT_PATCH, NEXT_MINOR, SKIPPED_MINOR):
        (folder / version).mkdir()
        sums[version] = _stand_in(folder / version / "k3s", version)
        (folder / version / "k3s-airgap-images-amd64.tar.zst").write_bytes(IMAGES)
    _debian(folder / "debian")
    return sums


def _stand_in(target: Path, version: str) -> str:
    staged = target.with_suffix(".d")
    staged.mkdir()
    for source in SOURCE.glob("*.py"):
        (staged / source.name).write_text(source.read_text())
    (staged / "VERSION").write_text(version)
    archive = io.BytesIO()
    zipapp.create_archive(staged, archive, "/usr/bin/python3")
    target.write_bytes(archive.getvalue())
    target.chmod(target.stat().st_mode | stat.S_IXUSR)
    return hashlib.sha256(archive.getvalue()).hexdigest()


def _debian(repository: Path) -> None:
    repository.mkdir()
    index: list[str] = []
    for name, files in PACKAGES.items():
        tree = repository / f"{name}.d"
        clock = ["Conflicts: time-daemon", "Provides: time-daemon"] if name in ("chrony", "systemd-timesyncd") else []
        control = [
            f"Package: {name}",
            "Version: 99",
            "Architecture: all",
            "Maintainer: lab <lab@example.com>",
            *clock,
            f"Description: {name}",
        ]
        for path, text in {**files, "DEBIAN/control": "\n".join(control) + "\n"}.items():
            target = tree / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(text)
        package = repository / f"{name}_99_all.deb"
        subprocess.run(["dpkg-deb", "--build", "--root-owner-group", str(tree), str(package)], check=True, capture_output=True)
        content = package.read_bytes()
        digest = hashlib.sha256(content).hexdigest()
        index.append("\n".join([*control, f"Filename: ./{package.name}", f"Size: {len(content)}", f"SHA256: {digest}"]))
    (repository / "Packages").write_text("\n\n".join(index) + "\n")
