"""Helm releases: add-ons from pinned charts, and our own objects from the chart in this repository."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import yaml
from cdktf import AssetType, ITerraformDependable, TerraformAsset, Token
from cdktf_cdktf_provider_helm.release import Release
from cdktf_cdktf_provider_kubernetes.namespace_v1 import NamespaceV1, NamespaceV1Metadata
from constructs import Construct

from ib_constructs.versions import Chart

OBJECTS_CHART = Path(__file__).parent / "charts" / "objects"
PodSecurity = Literal["privileged", "baseline", "restricted"]
# A failed release is rolled back, so that the next apply starts from a known state.
RELEASE_DEFAULTS: Mapping[str, Any] = {"wait": True, "atomic": True, "max_history": 5, "create_namespace": False}


class ChartMissingError(Exception):
    """A folder of charts does not hold a pinned one."""


@dataclass(frozen=True, kw_only=True)
class HelmAddonProps:
    """`pod_security`: the level enforced in the add-on's namespace.

    `values`: what differs from the chart's defaults; no secret, a chart gets those by reference.
    `charts_mirror`: folder of `<name>-<version>.tgz` files, or chart repository URL, in place of the chart's own.
    """

    chart: Chart
    namespace: str
    pod_security: PodSecurity
    values: Mapping[str, Any]
    waits_for: Sequence[ITerraformDependable]
    charts_mirror: str | None = None
    timeout_sec: int = 600


class HelmAddon(Construct):
    """A chart released into a namespace of its own. `ready`: the release, with its pods up."""

    def __init__(self, scope: Construct, id: str, props: HelmAddonProps) -> None:
        super().__init__(scope, id)
        labels = {f"pod-security.kubernetes.io/{mode}": props.pod_security for mode in ("enforce", "warn")}
        namespace = NamespaceV1(
            self,
            "namespace",
            metadata=NamespaceV1Metadata(name=props.namespace, labels=labels),
            depends_on=list(props.waits_for),
        )
        self.namespace = namespace.metadata.name
        self.ready: ITerraformDependable = Release(
            self,
            "release",
            name=props.chart.name,
            namespace=self.namespace,
            timeout=props.timeout_sec,
            values=[to_values(props.values)],
            **self._source(props.chart, props.charts_mirror),
            **RELEASE_DEFAULTS,
        )

    def _source(self, chart: Chart, mirror: str | None) -> dict[str, Any]:
        if mirror is None or "://" in mirror:
            return {"chart": chart.name, "repository": mirror or chart.repository, "version": chart.version}
        archive = Path(mirror) / f"{chart.name}-{chart.version}.tgz"
        if not archive.is_file():
            raise ChartMissingError(f"mirrors.charts: {archive} is not there; put the chart there, or remove mirrors.charts")
        # Shipped in the stack's folder: a remote run does not see this machine's folders.
        asset = TerraformAsset(self, "chart", path=str(archive.resolve()), type=AssetType.FILE)
        return {"chart": asset.path, "version": chart.version}


@dataclass(frozen=True, kw_only=True)
class ObjectsProps:
    """`objects`: whole Kubernetes objects; their kinds must be known to the cluster once *waits_for* is done."""

    name: str
    namespace: str
    objects: Sequence[Mapping[str, Any]]
    waits_for: Sequence[ITerraformDependable]


class Objects(Construct):
    """Kubernetes objects of any kind, custom resources included. `ready`: the release that holds them.

    By a chart of our own: `kubernetes_manifest` needs the cluster, and the kind, already at plan.
    """

    def __init__(self, scope: Construct, id: str, props: ObjectsProps) -> None:
        super().__init__(scope, id)
        chart = TerraformAsset(self, "chart", path=str(OBJECTS_CHART), type=AssetType.DIRECTORY)
        self.ready: ITerraformDependable = Release(
            self,
            "release",
            name=props.name,
            namespace=props.namespace,
            chart=chart.path,
            values=[to_values({"objects": [dict(item) for item in props.objects]})],
            depends_on=list(props.waits_for),
            **RELEASE_DEFAULTS,
        )


def to_values(values: Mapping[str, Any]) -> str:
    """Chart values as plain YAML that Terraform passes on as it is: `${` and `%{` in them mean nothing to it.

    Raises ValueError where a value is a Terraform reference: charts get secrets from a Secret.
    """
    text = yaml.safe_dump(dict(values), sort_keys=False, width=1_000)
    if Token.is_unresolved(text):
        raise ValueError("chart values hold a Terraform reference; give the chart the name of a Secret instead")
    return text.replace("${", "$${").replace("%{", "%%{")
