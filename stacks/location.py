"""The Terraform stack of one location: backend, variables, providers, then constructs in order."""

from __future__ import annotations

from pathlib import Path

from cdktf import (
    CloudBackend,
    LocalBackend,
    NamedCloudWorkspace,
    TerraformOutput,
    TerraformStack,
    TerraformVariable,
    TerraformVariableValidationConfig,
    Token,
)
from cdktf_cdktf_provider_cloudflare.provider import CloudflareProvider
from cdktf_cdktf_provider_helm.provider import HelmProvider, HelmProviderKubernetes
from cdktf_cdktf_provider_kubernetes.provider import KubernetesProvider
from cdktf_cdktf_provider_kubernetes.secret_v1 import SecretV1, SecretV1Metadata
from cdktf_cdktf_provider_null.provider import NullProvider
from cdktf_cdktf_provider_random.provider import RandomProvider
from cdktf_cdktf_provider_tls.provider import TlsProvider
from constructs import Construct

from ib_constructs import (
    CloudflareDns,
    CloudflareDnsProps,
    ClusterIdentity,
    ClusterIdentityProps,
    K3sCluster,
    Kubeconfig,
)
from ib_constructs.cluster.k3s_config import S3_SECRET, SNAPSHOTS_KEPT
from stacks.addons import Addons
from stacks.authority import declare_authority
from stacks.cluster import k3s_props
from stacks.config.schema import Location
from stacks.hosts import Hosts
from stacks.variables import Variables, declare_variables

ROOT = Path(__file__).parent.parent


class LocationStack(TerraformStack):
    """Everything at a location. Its Terraform address, state and workspace carry the location's name."""

    def __init__(self, scope: Construct, location: Location) -> None:
        super().__init__(scope, location.name)
        self._backend(location)
        declare_location_guard(self, location.name)
        variables = declare_variables(self, location)

        TlsProvider(self, "tls")
        RandomProvider(self, "random")
        NullProvider(self, "null")
        identity = ClusterIdentity(self, "identity", ClusterIdentityProps(location=location.name, protect=location.protect)).identity
        kubeconfig = Kubeconfig(location=location.name, domain=location.domain, api_address=str(location.api_address), identity=identity)
        self._kubernetes_providers(kubeconfig)

        authority = declare_authority(self, location)
        props = k3s_props(location, identity, variables.ssh_private_key, authority.certificate, variables.registry_passwords)
        cluster = K3sCluster(self, "k3s", props)
        self._snapshots_to_s3(location, variables, cluster)
        addons = Addons(self, location, variables, cluster.ready, authority)
        hosts = Hosts(self, location, addons)
        self._dns(location, variables.cloudflare_api_token)

        TerraformOutput(self, "k3s_kubeconfig_for_users", value=kubeconfig.for_users(), sensitive=True)
        TerraformOutput(self, "k3s_kubeconfig_for_admins", value=kubeconfig.for_admins(), sensitive=True)
        TerraformOutput(self, "service_urls", value=hosts.urls(), description="Where the location's services are")
        TerraformOutput(self, "etc_hosts", value=hosts.etc_hosts(), description="Lines for /etc/hosts where DNS does not know the location")

    def _backend(self, location: Location) -> None:
        if location.terraform_cloud:
            CloudBackend(
                self,
                organization=location.terraform_cloud.organization,
                workspaces=NamedCloudWorkspace(location.name),
            )
        else:
            LocalBackend(self, path=str(ROOT / f"terraform.{location.name}.tfstate"))

    def _kubernetes_providers(self, kubeconfig: Kubeconfig) -> None:
        """The providers reach the API by an address, never by a name whose record this very apply creates."""
        host, server_name = f"https://{kubeconfig.api_address}:6443", kubeconfig.server_name
        authority, admin = kubeconfig.identity.server_ca, kubeconfig.identity.admin
        KubernetesProvider(
            self,
            "kubernetes",
            host=host,
            tls_server_name=server_name,
            cluster_ca_certificate=authority,
            client_certificate=admin.certificate,
            client_key=admin.key,
        )
        HelmProvider(
            self,
            "helm",
            kubernetes=HelmProviderKubernetes(
                host=host,
                tls_server_name=server_name,
                cluster_ca_certificate=authority,
                client_certificate=admin.certificate,
                client_key=admin.key,
            ),
        )

    def _snapshots_to_s3(self, location: Location, variables: Variables, cluster: K3sCluster) -> None:
        """K3s reads the bucket and its keys from a Secret, so that they stand in no file of a server."""
        if location.backup is None:
            return
        s3 = location.backup.s3
        scheme, _, endpoint = s3.endpoint.partition("://")
        SecretV1(
            self,
            "snapshots-s3",
            metadata=SecretV1Metadata(name=S3_SECRET, namespace="kube-system"),
            data={
                "etcd-s3-endpoint": endpoint,
                "etcd-s3-insecure": "true" if scheme == "http" else "false",
                "etcd-s3-bucket": s3.bucket,
                "etcd-s3-region": s3.region,
                "etcd-s3-folder": f"{location.name}/etcd",
                # As many as the servers keep; K3s's default in a bucket is five. Beside the others in its configuration K3s
                # would ignore this Secret.
                "etcd-s3-retention": str(SNAPSHOTS_KEPT),
                "etcd-s3-access-key": variables.s3_access_key,
                "etcd-s3-secret-key": variables.s3_secret_key,
            },
            depends_on=[cluster.ready],
        )

    def _dns(self, location: Location, api_token: str) -> None:
        dns = location.dns
        if dns is None:
            return
        CloudflareProvider(self, "cloudflare", api_token=api_token)
        CloudflareDns(
            self,
            "dns",
            CloudflareDnsProps(
                zone=dns.zone,
                domain=location.domain,
                record_type="A" if dns.public_address else "CNAME",
                target=str(dns.public_address or dns.public_hostname),
            ),
        )


def declare_location_guard(stack: TerraformStack, name: str) -> None:
    """A variable `location` that must equal *name*.

    cdktf hands the root's terraform.tfvars to every stack, and it outranks a workspace's variables: without this,
    deploying one location would take another's secrets.
    """
    TerraformVariable(
        stack,
        "location",
        type="string",
        default=Token.null_value(),
        description="Name of the location that the values of the other variables belong to",
        validation=[
            TerraformVariableValidationConfig(
                condition=f'${{var.location == "{name}"}}',
                error_message=(
                    f'The variables belong to location ${{var.location == null ? "(none)" : var.location}}, but this is {name}. '
                    f'Give {name} its own, in a terraform.tfvars that begins with location = "{name}". '
                    "Where a Terraform Cloud workspace has them, move terraform.tfvars away: it outranks the workspace."
                ),
            )
        ],
    )
