"""Every version this platform pins: K3s, charts, images. One constant each, with the line that lets Renovate raise it."""

from __future__ import annotations

from dataclasses import dataclass

# renovate: datasource=github-releases depName=k3s-io/k3s
K3S_VERSION = "v1.36.5+k3s1"

# SHA-256 of the release's `k3s` binary for amd64; `make pin` fills it. While it is None, each server checks its
# download against the checksum file of the same release, which guards against a broken download only.
K3S_SHA256: str | None = None

# renovate: datasource=docker depName=ghcr.io/kube-vip/kube-vip
KUBE_VIP_IMAGE = "ghcr.io/kube-vip/kube-vip:v1.2.3"


@dataclass(frozen=True)
class Chart:
    """A Helm chart at a pinned version."""

    name: str
    repository: str
    version: str


# renovate: datasource=helm depName=metallb registryUrl=https://metallb.github.io/metallb
METALLB = Chart("metallb", "https://metallb.github.io/metallb", "0.16.1")
