"""Empty the package index of Pipfile.lock: which index to use is each machine's own setting."""

import json
from pathlib import Path

lock = Path("Pipfile.lock")
document = json.loads(lock.read_text())
document["_meta"]["sources"] = []
for category in document.values():
    for package in category.values():
        if isinstance(package, dict):
            package.pop("index", None)
lock.write_text(json.dumps(document, indent=4, sort_keys=True) + "\n")
