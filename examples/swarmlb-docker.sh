#!/bin/sh
# The agent as a service of the Swarm itself, one task a node; see "Beside Docker" in README.md.
#   swarmlb-docker.sh image    on every node: makes the image swarmlb:local from /usr/local/sbin/swarmlb
#   swarmlb-docker.sh create   on a manager: starts it on all nodes
set -eu
BINARY=${BINARY:-/usr/local/sbin/swarmlb}

image() {   # the binary, the libraries that it names, and nothing else; no registry is asked
  root=$(mktemp -d)
  trap 'rm -rf "$root"' EXIT
  install -D "$BINARY" "$root/usr/local/sbin/swarmlb"
  for library in $(ldd "$BINARY" | grep -o '/[^ ]*'); do install -D "$library" "$root$library"; done
  tar -C "$root" -c . | docker import -c 'ENTRYPOINT ["/usr/local/sbin/swarmlb"]' - swarmlb:local
}

# A service cannot be privileged, and need not be. The engine's directories are seen as they change
# (rslave), pins and the agent's files are the node's own and outlive every task.
create() {
  docker service create --name swarmlb --mode global --no-resolve-image --network host \
    --cap-add SYS_ADMIN --cap-add NET_ADMIN --cap-add NET_BROADCAST --cap-add SYS_PTRACE \
    --mount type=bind,src=/sys/fs/bpf,dst=/sys/fs/bpf \
    --mount type=bind,src=/sys/fs/cgroup,dst=/sys/fs/cgroup \
    --mount type=bind,src=/run,dst=/run,bind-propagation=rslave \
    --mount type=bind,src=/var/lib/docker/swarm/certificates,dst=/var/lib/docker/swarm/certificates,readonly \
    swarmlb:local agent --source docker --docker-host unix:///run/docker.sock --docker-exec-root /run/docker
}

case ${1:-} in image) image ;; create) create ;; *) sed -n '2,4s/^# *//p' "$0"; exit 2 ;; esac
