"""What a location file may say: one frozen section a table, unknown keys refused.

Rules that span several sections are in `rules.py`. `locations/example.toml` explains every key to the operator.
"""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from ipaddress import IPv4Address, IPv4Network
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator

from stacks.config.fields import (
    HOST_KEY_TYPE,
    Bucket,
    CertificatesPem,
    Charts,
    Currency,
    Email,
    Hostname,
    HttpsUrl,
    Ipv4,
    Label,
    Month,
    NodeLabel,
    NodeTaint,
    OdooDatabase,
    Organization,
    OwnNetwork,
    ProductReference,
    Ranges,
    ReachedAt,
    Region,
    RegistryHost,
    RegistryUser,
    S3Endpoint,
    SlackChannel,
    Subnet,
    UnixUser,
    Url,
    host_key_problem,
)

# All are bounded, so that no slip of a digit becomes a number that a program behind this one cannot hold.
Gibibytes = Annotated[int, Field(gt=0, le=2**20)]
Slots = Annotated[int, Field(gt=0)]
Amount = Annotated[Decimal, Field(gt=0, lt=10**12, decimal_places=12)]
Ratio = Annotated[Decimal, Field(gt=1, lt=10**6, decimal_places=12)]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class Section(BaseModel):
    """A table of the location file."""

    model_config = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=True)


class TerraformCloud(Section):
    """Where the state lives; without this table it is a local file."""

    organization: Organization


class Network(Section):
    """Addresses of the location, IPv4 only, and the networks that pods and Services have inside of the cluster."""

    api_vip: Ipv4 | None = None
    ingress_ip: Ipv4
    load_balancer_range: Ranges
    api_address: Ipv4 | None = None
    subnet: Subnet | None = None
    cluster_cidr: OwnNetwork = IPv4Network("10.42.0.0/16")
    service_cidr: OwnNetwork = IPv4Network("10.43.0.0/16")


class Server(Section):
    """A machine: role `server` runs the control plane, role `agent` only workloads. `ssh_user` may use sudo for everything."""

    name: Label
    role: Literal["server", "agent"] = "server"
    ip: Ipv4
    ssh_host: ReachedAt | None = None
    ssh_port: int = Field(default=22, ge=1, le=65535)
    ssh_user: UnixUser = "root"
    ssh_host_key: str = Field(default="", validate_default=True)
    labels: list[NodeLabel] = []
    taints: list[NodeTaint] = []

    @field_validator("ssh_host_key")
    @classmethod
    def _is_the_ecdsa_key(cls, value: str, info: ValidationInfo) -> str:
        key = " ".join(value.split()[:2])  # in its file a comment follows
        problem = host_key_problem(key) if value else "is missing: without it anyone could answer in the server's place"
        if problem:
            host = info.data.get("ssh_host") or info.data.get("ip") or "<ip>"
            line = f"ssh-keyscan -t ecdsa -p {info.data.get('ssh_port', 22)} {host}"
            raise ValueError(f"{problem}; print it with `{line}`, compare it at the server's console, write '{HOST_KEY_TYPE} AAAA…'")
        return key

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
    """The controller behind the ingress IP, and whether it answers inference by plain HTTP as well."""

    controller: Literal["ingress-nginx", "traefik"] = "ingress-nginx"
    plain_http: bool = False


class Gpu(Section):
    """Which GPU operators are installed; their operands start only where a GPU is found."""

    operators: Literal["auto", "nvidia", "amd", "none"] = "auto"
    runtime: Literal["nri", "runtimeclass"] = "nri"


class SlackChannels(Section):
    """The Slack channel for each of the three kinds of message."""

    monitoring: SlackChannel
    incidents: SlackChannel
    billing: SlackChannel


class Monitoring(Section):
    """Metrics, logs and traces, and where alerts are sent."""

    enabled: bool = True
    slack: SlackChannels | None = None
    heartbeat: bool = False


class S3(Section):
    """An S3 bucket outside the location. The keys are Terraform variables."""

    endpoint: S3Endpoint
    bucket: Bucket
    region: Region


class Backup(Section):
    """The bucket that backups go to; without this table none leaves the location."""

    s3: S3


class Operator(Section):
    """A person who may log in to the location; the password's hash is a Terraform variable."""

    email: Email


class Odoo(Section):
    """The Odoo database that receives the invoices. The API key is a Terraform variable."""

    url: HttpsUrl
    database: OdooDatabase
    company: int = Field(gt=0, lt=2**31)  # as Odoo counts records: a PostgreSQL integer
    product: ProductReference


class Brakes(Section):
    """Amounts (in the location's currency) and a ratio to last month above which an invoice or a run is held."""

    invoice: Amount
    run: Amount
    change: Ratio


class DollarRate(Section):
    """How many dollars one unit of the currency is, and of which day: the price lists for others are in dollars by their formats."""

    rate: Amount
    date: date


class Bounds(Section):
    """The largest price of a token or a request, the largest first one, and what one request may cost, in the location's currency."""

    token: Amount
    request: Amount
    first_token: Amount
    first_request: Amount
    row: Amount


class Control(Section):
    """What the control service is told of money: the currency, Odoo, and how far invoices go without a person."""

    odoo: Odoo | None = None
    currency: Currency = "USD"
    dollar_rate: DollarRate | None = None
    bounds: Bounds | None = None
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
    charts: Charts | None = None


class Registry(Section):
    """A registry that asks for a login, or whose certificate no public authority signed. The password is a Terraform variable."""

    host: RegistryHost
    username: RegistryUser | None = None
    ca: CertificatesPem | None = None


class Location(Section):
    """A location, complete by itself. `name` is the file's name."""

    name: Label
    domain: Hostname
    protect: bool = False
    terraform_cloud: TerraformCloud | None = None
    network: Network
    servers: list[Server]
    dns: Dns | None = None
    # Let's Encrypt wants [dns] to prove a domain by.
    certificates: Certificates = Field(default_factory=lambda data: Certificates(issuer="letsencrypt" if data.get("dns") else "local"))
    storage: Storage = Storage()
    ingress: Ingress = Ingress()
    gpu: Gpu = Gpu()
    monitoring: Monitoring = Monitoring()
    backup: Backup | None = None
    operators: list[Operator] = []
    control: Control = Control()
    mirrors: Mirrors = Mirrors()
    registries: list[Registry] = []

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
