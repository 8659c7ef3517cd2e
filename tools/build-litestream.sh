#!/bin/sh
# Builds Litestream, once, from its pinned Go module, whose sum Go checks; prints the folder it is in.
# Apart from build-engines.sh: a new version here is not to build Kubernetes again.
set -eu
cd "$(dirname "$0")"
LITESTREAM=v0.5.18
cache=${XDG_CACHE_HOME:-$HOME/.cache}/inference-platform
bin=$cache/litestream-$LITESTREAM

if [ ! -d "$bin" ]; then
  PATH=$PWD/../.venv/bin:$PATH
  export CGO_ENABLED=0 GOFLAGS=-trimpath
  rm -rf "$bin.new"
  mkdir -p "$bin.new"
  echo "building Litestream $LITESTREAM (2 to 3 minutes, once)" >&2
  GOBIN=$bin.new go install -ldflags "-s -w" "github.com/benbjohnson/litestream/cmd/litestream@$LITESTREAM" >&2
  mv "$bin.new" "$bin"
fi
echo "$bin"
