"""Stands in for the `k3s` binary on a test host, where K3s itself cannot be downloaded.

It reads the same configuration and the same staged files, and starts a real etcd, kube-apiserver, controller-manager
and scheduler from them, with kwok in the kubelet's place. What it keeps of K3s's behaviour, because our scripts depend on it:

- `cluster-init` and `server` count only where etcd was never started; a joiner trusts the hash in its token and nothing else;
- a founder or joiner whose etcd is too young to have K3s's own data never starts again; one with `server` asks there first;
- a joiner is a learner until the etcd leader promotes it, every 15 s; a name that an etcd member already has ends it with 0;
- a deleted Node takes its member with it, by the server that holds K3s's Lease. The K3s of that member goes on without etcd,
  `/ping` included, until it is restarted or loses a Lease; restarted, it joins again, or refuses where nothing says whom;
- authorities missing at the first start are an error (K3s would make its own, silently); others reach joiners by bootstrap;
- kernel settings are checked with `protect-kernel-defaults`; `authentication-config` switches anonymous access on;
- manifests are applied some time after the start; readiness is told to systemd; a start that fails exits with 1;
- `--cluster-reset` wants the stopped server, the old token, no `server` and no bucket.

It runs no containers, and the kernel is the machine's.
"""

import os
import sys

import snapshots
from agent import run_agent
from config import KUBECONFIG, program, version
from server import run_server


def main() -> None:
    command, *arguments = sys.argv[1:] or ["--version"]
    if command == "server":
        run_server(arguments)
    elif command == "agent":
        run_agent()
    elif command == "kubectl":
        os.execve(program("kubectl"), ["kubectl", *arguments], {**os.environ, "KUBECONFIG": str(KUBECONFIG)})
    elif command == "etcd-snapshot":
        snapshots.main(arguments)
    elif command == "--version":
        print(f"k3s version {version()} (stand-in)")
    else:
        sys.exit(f'level=fatal msg="unknown command {command}"')


main()
