"""All add-ons of production, released by the real providers and the real charts into a simulated cluster."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from cdktf import App, DataResource, TerraformStack
from cdktf_cdktf_provider_helm.provider import HelmProvider, HelmProviderKubernetes
from cdktf_cdktf_provider_kubernetes.provider import KubernetesProvider
from cdktf_cdktf_provider_null.provider import NullProvider
from cdktf_cdktf_provider_random.provider import RandomProvider
from cdktf_cdktf_provider_tls.provider import TlsProvider
from constructs import Construct

from ib_constructs.addons.longhorn import STORAGE_CLASS
from stacks.addons import Addons
from stacks.authority import Authority
from stacks.config.loader import LOCATIONS, load_location
from stacks.config.schema import Location
from stacks.hosts import Hosts
from stacks.variables import declare_variables
from tests.engines.cluster import Cluster
from tests.providers.conftest import SECRETS, SSH_KEY, Stack
from tests.providers.simulation import simulated_cluster, wait_for_nodes

NAME = "stalpeni"
CHARTS = "CHARTS_MIRROR"


class AddonsStack(TerraformStack):
    """What a location releases into its cluster, without the servers."""

    def __init__(self, scope: Construct, location: Location, kubeconfig: Path) -> None:
        super().__init__(scope, location.name)
        NullProvider(self, "null")
        RandomProvider(self, "random")
        TlsProvider(self, "tls")
        KubernetesProvider(self, "kubernetes", config_path=str(kubeconfig))
        HelmProvider(self, "helm", kubernetes=HelmProviderKubernetes(config_path=str(kubeconfig)))
        addons = Addons(self, location, declare_variables(self, location), DataResource(self, "cluster"), Authority())
        Hosts(self, location, addons)


@pytest.fixture(scope="module")
def cluster(engines: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """Three Nodes; skips where there are no charts."""
    if CHARTS not in os.environ:
        pytest.skip(f"no chart repository in reach and no folder of charts in {CHARTS}")
    with simulated_cluster(tmp_path_factory.mktemp("cluster"), engines, STORAGE_CLASS) as started:
        wait_for_nodes(started)
        yield started


@pytest.fixture(scope="module")
def stack(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Stack:
    """The add-ons, initialised."""
    folder = tmp_path_factory.mktemp(NAME)
    text = (LOCATIONS / f"{NAME}.toml").read_text().replace("protect = true", "protect = false")
    (folder / f"{NAME}.toml").write_text(f'{text}\n[mirrors]\ncharts = "{os.environ[CHARTS]}"\n')
    app = App(outdir=str(folder / "cdktf.out"))
    AddonsStack(app, load_location(folder / f"{NAME}.toml"), cluster.admin_kubeconfig())
    app.synth()
    out = folder / "cdktf.out" / "stacks" / NAME
    (out / "override.tf.json").write_text(json.dumps({"terraform": {"backend": {"local": {}}}}))
    secrets = {"ssh_private_key": SSH_KEY, "cloudflare_api_token": "t" * 40, **SECRETS}
    (out / "secret.auto.tfvars.json").write_text(json.dumps(secrets))
    made = Stack(out, {"TF_PLUGIN_CACHE_DIR": str(tmp_path_factory.mktemp("plugins"))})
    done = made.terraform("init", "-input=false")
    assert done.code == 0, done.output
    return made


def test_everything_is_released_and_a_second_plan_is_empty(stack: Stack, cluster: Cluster) -> None:
    applied = stack.terraform("apply", "-auto-approve", "-input=false")
    assert applied.code == 0, applied.output
    releases = stack.document["resource"]["helm_release"]
    listed = cluster.run(cluster.admin_kubeconfig(), "helm", "list", "--all-namespaces", "--short")
    assert len(listed.stdout.split()) == len(releases)
    pods = cluster.run(cluster.admin_kubeconfig(), "kubectl", "get", "pods", "--all-namespaces", "--no-headers").stdout
    assert {line.split()[3] for line in pods.splitlines()} <= {"Running", "Completed"}

    again = stack.terraform("plan", "-input=false", "-detailed-exitcode")

    assert again.code == 0, again.output


def test_everything_can_be_taken_away_again(stack: Stack) -> None:
    done = stack.terraform("destroy", "-auto-approve", "-input=false")
    assert done.code == 0, done.output
