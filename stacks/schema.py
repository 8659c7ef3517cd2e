"""What a location file may say: one frozen section a table, unknown keys refused.

Rules that span several sections are in `rules.py`. `locations/example.toml` explains every key to the operator.
"""

from __future__ import annotations

from decimal import Decimal
from ipaddress import IPv4Address, IPv4Network
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator

from stacks.fields import HOST_KEY_TYPE, Hostname, Ipv4, Label, Month, Range, Subnet, host_key_problem

Gibibytes = Annotated[int, Field(gt=0)]
Slots = Annotated[int, Field(gt=0)]
Text = Annotated[str, Field(min_length=1)]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Url = Annotated[str, Field(pattern=r"^https?://[^\s/]+")]


class Section(BaseModel):
    """A table of the location file."""

    model_config = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=True)


class TerraformCloud(Section):
    """Where the state lives; without this table it is a local file."""

    organization: Text


class Network(Section):
    """Addresses of the location. IPv4 only."""

    api_vip: Ipv4 | None = None
    ingress_ip: Ipv4
    load_balancer_range: Range
    api_address: Ipv4 | None = None
    subnet: Subnet | None = None


class Server(Section):
    """A machine: role `server` runs the control plane, role `agent` only workloads."""

    name: Label
    role: Literal["server", "agent"] = "server"
    ip: Ipv4
    ssh_host: Text | None = None
    ssh_port: int = Field(default=22, ge=1, le=65535)
    ssh_host_key: str = Field(default="", validate_default=True)

    @field_validator("ssh_host_key")
    @classmethod
    def _is_the_ecdsa_key(cls, value: str, info: ValidationInfo) -> str:
        problem = host_key_problem(value) if value else "is missing: without it anyone could answer in the server's place"
        if problem:
            host = info.data.get("ssh_host") or info.data.get("ip") or "<ip>"
            line = f"ssh-keyscan -t ecdsa -p {info.data.get('ssh_port', 22)} {host}"
            raise ValueError(f"{problem}; print it with `{line}`, compare it at the server's console, write '{HOST_KEY_TYPE} AAAA…'")
        return value

    @property
    def ssh_endpoint(self) -> tuple[str, int]:
        """Host and port at which the server's sshd is reached; port forwards differ from `ip` and 22."""
        return self.ssh_host or str(self.ip), self.ssh_port


class Dns(Section):
    """Records in a Cloudflare zone; without this table no record is made."""

    zone: Hostname
    public_address: Ipv4 | None = None
    public_hostname: Hostname | None = None


class Certificates(Section):
    """Who signs the certificates of the location's host names."""

    issuer: Literal["letsencrypt", "letsencrypt-staging", "local"] = "letsencrypt"
    acme: Literal["dns01", "http01"] = "dns01"


class Storage(Section):
    """Longhorn's replicated volumes, or K3s's local-path when off. Sizes in GiB."""

    longhorn: bool = False
    replicas: Slots | None = None
    model_cache_gib: Gibibytes | None = None


class Ingress(Section):
    """The controller behind the ingress IP."""

    controller: Literal["ingress-nginx", "traefik"] = "ingress-nginx"


class Gpu(Section):
    """Which GPU operators are installed; their operands start only where a GPU is found."""

    operators: Literal["auto", "nvidia", "amd", "none"] = "auto"
    runtime: Literal["nri", "runtimeclass"] = "nri"


class SlackChannels(Section):
    """Slack channel of each kind of message."""

    monitoring: Text
    incidents: Text
    billing: Text


class Monitoring(Section):
    """Metrics, logs, traces and alerts."""

    enabled: bool = True
    slack: SlackChannels | None = None
    heartbeat: bool = False


class S3(Section):
    """An S3 bucket outside the location. The keys are Terraform variables."""

    endpoint: Url
    bucket: Text
    region: Text


class Backup(Section):
    """Where backups go."""

    s3: S3


class Operator(Section):
    """A person who may log in to the location; the password's hash is a Terraform variable."""

    email: Annotated[str, Field(pattern=r"^[^@\s]+@[^@\s]+\.[^@\s]+$")]


class Odoo(Section):
    """The Odoo database that receives the invoices. The API key is a Terraform variable."""

    url: Url
    database: Text
    company: int = Field(gt=0)
    product: Text


class Brakes(Section):
    """Amounts (in the location's currency) and a ratio to last month above which an invoice or a run is held."""

    invoice: Decimal = Field(gt=0)
    run: Decimal = Field(gt=0)
    change: Decimal = Field(gt=1)


class Control(Section):
    """Prices and invoicing."""

    odoo: Odoo | None = None
    currency: Annotated[str, Field(pattern=r"^[A-Z]{3}$")] = "USD"
    invoice_from: Month | None = None
    automatic: Literal["off", "draft", "send"] = "off"
    brakes: Brakes | None = None


class Mirrors(Section):
    """Places inside the location's reach that replace the internet's (air gap)."""

    k3s: Url | None = None
    k3s_sha256: Sha256 | None = None
    k3s_images_sha256: Sha256 | None = None
    images: Url | None = None
    embedded_registry: bool = False
    charts: Text | None = None


class Location(Section):
    """A location, complete by itself. `name` is the file's name."""

    name: Label
    domain: Hostname
    protect: bool = False
    terraform_cloud: TerraformCloud | None = None
    network: Network
    servers: list[Server]
    dns: Dns | None = None
    certificates: Certificates = Certificates()
    storage: Storage = Storage()
    ingress: Ingress = Ingress()
    gpu: Gpu = Gpu()
    monitoring: Monitoring = Monitoring()
    backup: Backup | None = None
    operators: list[Operator] = []
    control: Control = Control()
    mirrors: Mirrors = Mirrors()

    @property
    def control_plane(self) -> list[Server]:
        """Servers in role `server`, the founding one first."""
        return [server for server in self.servers if server.role == "server"]

    @property
    def subnet(self) -> IPv4Network:
        """The servers' subnet: as given, else the /24 around the first server."""
        return self.network.subnet or IPv4Network((self.servers[0].ip, 24), strict=False)

    @property
    def cluster_address(self) -> IPv4Address:
        """Where the servers reach the Kubernetes API: the API VIP, else the only server in role `server`."""
        return self.network.api_vip or self.control_plane[0].ip

    @property
    def api_address(self) -> IPv4Address:
        """Where Terraform and people reach the Kubernetes API."""
        return self.network.api_address or self.cluster_address
