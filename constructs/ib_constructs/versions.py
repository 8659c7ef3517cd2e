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

# renovate: datasource=helm depName=longhorn registryUrl=https://charts.longhorn.io
LONGHORN = Chart("longhorn", "https://charts.longhorn.io", "1.12.1")

# renovate: datasource=helm depName=ingress-nginx registryUrl=https://kubernetes.github.io/ingress-nginx
INGRESS_NGINX = Chart("ingress-nginx", "https://kubernetes.github.io/ingress-nginx", "4.15.1")

# renovate: datasource=helm depName=traefik registryUrl=https://traefik.github.io/charts
TRAEFIK = Chart("traefik", "https://traefik.github.io/charts", "40.3.0")

# renovate: datasource=helm depName=cert-manager registryUrl=https://charts.jetstack.io
CERT_MANAGER = Chart("cert-manager", "https://charts.jetstack.io", "v1.21.1")

# renovate: datasource=helm depName=dex registryUrl=https://charts.dexidp.io
DEX = Chart("dex", "https://charts.dexidp.io", "0.24.0")

# renovate: datasource=helm depName=oauth2-proxy registryUrl=https://oauth2-proxy.github.io/manifests
OAUTH2_PROXY = Chart("oauth2-proxy", "https://oauth2-proxy.github.io/manifests", "10.7.0")

# renovate: datasource=docker depName=registry.k8s.io/nfd/charts/node-feature-discovery
NODE_FEATURE_DISCOVERY = Chart("node-feature-discovery", "oci://registry.k8s.io/nfd/charts", "0.19.0")

# renovate: datasource=helm depName=gpu-operator registryUrl=https://helm.ngc.nvidia.com/nvidia
NVIDIA_OPERATOR = Chart("gpu-operator", "https://helm.ngc.nvidia.com/nvidia", "v26.7.0")

# renovate: datasource=helm depName=gpu-operator-charts registryUrl=https://rocm.github.io/gpu-operator
AMD_OPERATOR = Chart("gpu-operator-charts", "https://rocm.github.io/gpu-operator", "v1.5.1")

# renovate: datasource=helm depName=kubeai registryUrl=https://www.kubeai.org
KUBEAI = Chart("kubeai", "https://www.kubeai.org", "0.22.1")

# renovate: datasource=helm depName=bifrost registryUrl=https://maximhq.github.io/bifrost/helm-charts
BIFROST = Chart("bifrost", "https://maximhq.github.io/bifrost/helm-charts", "2.1.24")

# renovate: datasource=helm depName=prometheus-operator-crds registryUrl=https://prometheus-community.github.io/helm-charts
PROMETHEUS_CRDS = Chart("prometheus-operator-crds", "https://prometheus-community.github.io/helm-charts", "31.0.1")

# renovate: datasource=helm depName=kube-prometheus-stack registryUrl=https://prometheus-community.github.io/helm-charts
PROMETHEUS_STACK = Chart("kube-prometheus-stack", "https://prometheus-community.github.io/helm-charts", "88.5.3")

# renovate: datasource=helm depName=loki registryUrl=https://grafana-community.github.io/helm-charts
LOKI = Chart("loki", "https://grafana-community.github.io/helm-charts", "18.11.0")

# renovate: datasource=helm depName=tempo registryUrl=https://grafana-community.github.io/helm-charts
TEMPO = Chart("tempo", "https://grafana-community.github.io/helm-charts", "2.2.4")

# renovate: datasource=helm depName=alloy registryUrl=https://grafana.github.io/helm-charts
ALLOY = Chart("alloy", "https://grafana.github.io/helm-charts", "1.11.1")

# renovate: datasource=helm depName=snapshot-controller registryUrl=https://piraeus.io/helm-charts/
SNAPSHOT_CONTROLLER = Chart("snapshot-controller", "https://piraeus.io/helm-charts/", "5.2.0")

# renovate: datasource=helm depName=velero registryUrl=https://vmware-tanzu.github.io/helm-charts
VELERO = Chart("velero", "https://vmware-tanzu.github.io/helm-charts", "12.1.0")

# renovate: datasource=helm depName=velero-ui registryUrl=https://helm.otwld.com
VELERO_UI = Chart("velero-ui", "https://helm.otwld.com", "0.15.0")

# renovate: datasource=helm depName=headlamp registryUrl=https://kubernetes-sigs.github.io/headlamp/
HEADLAMP = Chart("headlamp", "https://kubernetes-sigs.github.io/headlamp/", "0.45.0")

# The chart's own is older than the groups of static passwords (docs/facts/dex.md, Versions).
# renovate: datasource=docker depName=ghcr.io/dexidp/dex
DEX_TAG = "v2.45.1"

# The first whose management API is shut before its first login (docs/facts/bifrost.md, Versions).
# renovate: datasource=docker depName=docker.io/maximhq/bifrost
BIFROST_TAG = "v2.2.6"

# renovate: datasource=docker depName=docker.io/library/postgres
POSTGRES_IMAGE = "docker.io/library/postgres:17.11-trixie"

# renovate: datasource=docker depName=docker.io/rclone/rclone
RCLONE_IMAGE = "docker.io/rclone/rclone:1.75.1"

# The pair that reads back what it wrote to S3-compatible stores (docs/facts/velero.md, Checksums).
# renovate: datasource=docker depName=docker.io/velero/velero
VELERO_TAG = "v1.18.3"
# renovate: datasource=docker depName=docker.io/velero/velero-plugin-for-aws
VELERO_AWS_IMAGE = "docker.io/velero/velero-plugin-for-aws:v1.14.3"

# renovate: datasource=docker depName=ghcr.io/gtsteffaniak/filebrowser
FILEBROWSER_IMAGE = "ghcr.io/gtsteffaniak/filebrowser:1.5.6-stable-slim"

# Engines by what they run on; why these, says docs/models.md.
# renovate: datasource=docker depName=docker.io/vllm/vllm-openai
VLLM_NVIDIA_IMAGE = "docker.io/vllm/vllm-openai:v0.29.0"
# renovate: datasource=docker depName=ghcr.io/sasha0552/vllm
VLLM_PASCAL_IMAGE = "ghcr.io/sasha0552/vllm:v0.9.1"
# renovate: datasource=docker depName=docker.io/vllm/vllm-openai-cpu
VLLM_CPU_IMAGE = "docker.io/vllm/vllm-openai-cpu:v0.29.0"
# renovate: datasource=docker depName=docker.io/vllm/vllm-openai-rocm
VLLM_AMD_IMAGE = "docker.io/vllm/vllm-openai-rocm:v0.29.0"
# renovate: datasource=docker depName=docker.io/ollama/ollama
OLLAMA_IMAGE = "docker.io/ollama/ollama:0.35.1"
# renovate: datasource=docker depName=docker.io/ollama/ollama
OLLAMA_AMD_IMAGE = "docker.io/ollama/ollama:0.35.1-rocm"
# renovate: datasource=docker depName=docker.io/fedirz/faster-whisper-server
WHISPER_CPU_IMAGE = "docker.io/fedirz/faster-whisper-server:0.6.0-rc.3-cpu"
# renovate: datasource=docker depName=docker.io/fedirz/faster-whisper-server
WHISPER_NVIDIA_IMAGE = "docker.io/fedirz/faster-whisper-server:0.6.0-rc.3-cuda"

# renovate: datasource=docker depName=docker.io/rocm/k8s-device-plugin
AMD_DEVICE_PLUGIN_IMAGE = "docker.io/rocm/k8s-device-plugin:1.31.0.11"
# renovate: datasource=docker depName=docker.io/rocm/device-metrics-exporter
AMD_METRICS_IMAGE = "docker.io/rocm/device-metrics-exporter:v1.5.0"
