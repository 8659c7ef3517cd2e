"""Helm releases: add-ons from pinned charts, and our own objects from the chart in this repository."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from cdktf import AssetType, Fn, ITerraformDependable, TerraformAsset, TerraformResourceLifecycle, Token
from cdktf_cdktf_provider_helm.release import Release, ReleasePostrender, ReleaseSet
from constructs import Construct

from ib_constructs.base.namespace import Namespace
from ib_constructs.base.yaml_text import GoDumper
from ib_constructs.versions import Chart

OBJECTS_CHART = Path(__file__).parent / "charts" / "objects"
SET_PRIORITY = Path(__file__).parent / "charts" / "set-priority.sh"
# The key of an annotation, as Helm's `set` wants it: a dot of its own is no step.
SECRETS_DIGEST = r"inferencebros\.com/secrets"
# A failed release is rolled back, so that the next apply starts from a known state.
RELEASE_DEFAULTS: Mapping[str, Any] = {"wait": True, "wait_for_jobs": True, "atomic": True, "max_history": 5, "create_namespace": False}


class ChartMissingError(Exception):
    """A folder of charts does not hold a chart at its pinned version; the text says where to put it."""


@dataclass(frozen=True, kw_only=True)
class AddonProps:
    """What every add-on is given: the field `given` of its own props.

    `cluster`: the resource after which there is an API; `waits_for`: what its pods cannot do without.
    `charts_mirror`: folder of `<name>-<version>.tgz` files, or chart repository URL, in place of the charts' own.
    `monitored`: the add-on tells Prometheus what to scrape; the kinds for that are among *waits_for*.
    `protect`: a plan that would destroy what holds data fails.
    """

    cluster: ITerraformDependable
    waits_for: Sequence[ITerraformDependable] = ()
    charts_mirror: str | None = None
    monitored: bool = False
    protect: bool = False


@dataclass(frozen=True, kw_only=True)
class HelmAddonProps:
    """`given`: what the add-on was given; `waits_for`: what this chart waits for besides.

    `values`: what differs from the chart's defaults; no secret.
    `priority_class`: for the pods of a chart that has no value of its own for it.

    `secrets`: Secrets by name, that are in the namespace before the chart is; charts refer to them.
    `pod_annotations`: the chart's value for its pods' annotations; there a digest of the secrets restarts pods that read them once.
    """

    chart: Chart
    given: AddonProps
    namespace: Namespace
    values: Mapping[str, Any]
    waits_for: Sequence[ITerraformDependable] = ()
    secrets: Mapping[str, Mapping[str, str]] = field(default_factory=dict[str, Mapping[str, str]])
    pod_annotations: str | None = None
    priority_class: str | None = None
    timeout_sec: int = 600
    protect: bool = False


class HelmAddon(Construct):
    """A pinned chart released into a namespace. `ready`: the release, with its pods up."""

    def __init__(self, scope: Construct, id: str, props: HelmAddonProps) -> None:
        super().__init__(scope, id)
        secrets = [props.namespace.secret(self, name, data) for name, data in props.secrets.items()]
        self.ready: ITerraformDependable = Release(
            self,
            "release",
            name=props.chart.name,
            namespace=props.namespace.name,
            timeout=props.timeout_sec,
            values=[to_values(props.values)],
            set=self._digest(props),
            depends_on=[props.namespace.ready, *secrets, *props.given.waits_for, *props.waits_for],
            lifecycle=TerraformResourceLifecycle(prevent_destroy=True) if props.protect else None,
            postrender=self._post_renderer(props.priority_class),
            **self._source(props.chart, props.given.charts_mirror),
            **RELEASE_DEFAULTS,
        )

    def _digest(self, props: HelmAddonProps) -> list[ReleaseSet] | None:
        if props.pod_annotations is None:
            return None
        digest = Fn.sha256(Fn.jsonencode({name: dict(data) for name, data in props.secrets.items()}))
        return [ReleaseSet(name=f"{props.pod_annotations}.{SECRETS_DIGEST}", value=digest)]

    def _post_renderer(self, priority_class: str | None) -> ReleasePostrender | None:
        if priority_class is None:
            return None
        script = TerraformAsset(self, "set-priority", path=str(SET_PRIORITY), type=AssetType.FILE)
        return ReleasePostrender(binary_path="sh", args=[script.path, priority_class])

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
    namespace: Namespace
    objects: Sequence[Mapping[str, Any]]
    waits_for: Sequence[ITerraformDependable] = ()
    protect: bool = False


class Objects(Construct):
    """Kubernetes objects of any kind, custom resources included. `ready`: the release that holds them.

    A chart of our own makes them: `kubernetes_manifest` needs the cluster, and the kind, already at plan.
    """

    def __init__(self, scope: Construct, id: str, props: ObjectsProps) -> None:
        super().__init__(scope, id)
        chart = TerraformAsset(self, "chart", path=str(OBJECTS_CHART), type=AssetType.DIRECTORY)
        self.ready: ITerraformDependable = Release(
            self,
            "release",
            name=props.name,
            namespace=props.namespace.name,
            chart=chart.path,
            values=[to_values({"objects": [dict(item) for item in props.objects]})],
            depends_on=[props.namespace.ready, *props.waits_for],
            lifecycle=TerraformResourceLifecycle(prevent_destroy=True) if props.protect else None,
            **RELEASE_DEFAULTS,
        )


class _Plain(GoDumper):
    """A fragment that several places share is written out in each of them: a plan is read by people."""

    def ignore_aliases(self, data: object) -> bool:  # noqa: ARG002 - PyYAML's own parameter
        return True


def to_values(values: Mapping[str, Any]) -> str:
    """Chart values as plain YAML that Terraform passes on as it is: `${` and `%{` in them mean nothing to it.

    Raises ValueError where a value is a Terraform reference: charts get secrets from a Secret.
    """
    text = yaml.dump(dict(values), Dumper=_Plain, sort_keys=False, width=1_000)
    if Token.is_unresolved(text):
        raise ValueError("chart values hold a Terraform reference; give the chart the name of a Secret instead")
    return text.replace("${", "$${").replace("%{", "%%{")
