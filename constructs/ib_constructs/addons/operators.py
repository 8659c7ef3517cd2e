"""Operators: people who may administer the cluster under their own names."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from cdktf import ITerraformDependable
from cdktf_cdktf_provider_kubernetes.cluster_role_binding_v1 import (
    ClusterRoleBindingV1,
    ClusterRoleBindingV1Metadata,
    ClusterRoleBindingV1RoleRef,
    ClusterRoleBindingV1Subject,
)
from constructs import Construct

from ib_constructs.cluster.k3s_files import OIDC_PREFIX

RBAC = "rbac.authorization.k8s.io"


@dataclass(frozen=True, kw_only=True)
class OperatorsProps:
    """`emails`: the operators' addresses, as Dex knows them."""

    emails: Sequence[str]
    waits_for: Sequence[ITerraformDependable]


class Operators(Construct):
    """A ClusterRoleBinding to `cluster-admin` for each operator: taking one person away touches no other."""

    def __init__(self, scope: Construct, id: str, props: OperatorsProps) -> None:
        super().__init__(scope, id)
        for email in props.emails:
            ClusterRoleBindingV1(
                self,
                email,
                metadata=ClusterRoleBindingV1Metadata(name=f"operator-{email}"),
                role_ref=ClusterRoleBindingV1RoleRef(api_group=RBAC, kind="ClusterRole", name="cluster-admin"),
                subject=[ClusterRoleBindingV1Subject(api_group=RBAC, kind="User", name=f"{OIDC_PREFIX}{email}")],
                depends_on=list(props.waits_for),
            )
